"""The packages of the wheel; all else about it is in setup.cfg.

In: the four folders that setup.cfg maps into one package. Out: every package in them.
"""

from setuptools import find_packages, setup

FOLDERS = {
    "forewarn": "engine",
    "forewarn.rules": "rules",
    "forewarn.embeddings": "embeddings",
    "forewarn.detectors": "detectors",
}

setup(
    packages=[
        package
        for name, folder in FOLDERS.items()
        for package in (name, *(f"{name}.{found}" for found in find_packages(folder)))
    ]
)
