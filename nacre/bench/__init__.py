"""Measuring codecs beside their peers: real bytes, the same files, the same run.

    peers.py    what nacre is compared with, declared as data
    metrics.py  how far a picture is from its original, and how far a curve is from another
    runner.py   every codec on every file, at several qualities
    medium.py   what the runner must know of pictures, meshes, splats (media.py has them all)
    report.py   records to a table and a picture
    meshes.py, mesh_metrics.py, mesh_peers.py, triangles.py, splats.py, size_report.py
                the same for meshes and splats
    sounds.py, sound_metrics.py, perceptual.py, sound_peers.py, sound_programs.py, sound_report.py,
    resampling.py
                the same for recordings
    equal_bytes.py  recordings at the bytes of another codec's file
    low_rates.py  few bytes, against decimation in front of Draco
    rendering.py  pictures of meshes and splats in software
    lossless.py  the table of lossless codecs
    sets.py     archives of small pictures beside their peers
    latents.py  streams beside lossless WebP of the same latents
    memory.py   peak memory of an encode and of a decode

``docs/bench.md`` says what each number means and how to reproduce it. Nothing here is imported by
the rest of nacre but the command line; the packages that peers and metrics need come with the extra
``nacre[bench]``.
"""
