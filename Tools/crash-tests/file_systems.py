"""File systems in files: made, mounted, filled, and copied at one moment while they are written."""

import fcntl
import os
import shutil
import subprocess
import threading
import time

KINDS = ["ext4", "xfs", "btrfs"]
# The smallest file system that mkfs.xfs makes has 300 MB. The files are sparse.
IMAGE_BYTES = 320 << 20
OUTER_BYTES = 6 << 30
FICLONE = 0x40049409
MAKE = {
    "ext4": ["mkfs.ext4", "-q", "-F"],
    "xfs": ["mkfs.xfs", "-q", "-f"],
    "btrfs": ["mkfs.btrfs", "-q", "-f"],
}


class Failed(Exception):
    """A step could not be done at all."""


def run(*command):
    done = subprocess.run(command, capture_output=True, timeout=120)
    if done.returncode != 0:
        raise Failed("%s ended with %d: %s" % (
            " ".join(command), done.returncode, done.stderr.decode(errors="replace").strip()))


def clone(source, target):
    """A copy that is the file as it was at one moment.

    The kernel makes it under the file's lock, which each write takes too (XFS: the inode's IOLOCK), so there is none in it
    whose predecessor is missing. The loop device writes through the page cache, and so does the copy read.
    """
    with open(source, "rb") as old, open(target, "wb") as new:
        fcntl.ioctl(new, FICLONE, old.fileno())


class Mount:
    """A file with a file system in it, mounted through a loop device that goes with the mount."""

    def __init__(self, image, point, kind):
        self.image = image
        self.point = point
        os.makedirs(point, exist_ok=True)
        if kind == "btrfs":
            # It knows a device by the id within, and takes an older copy of one it has seen for stale.
            subprocess.run(["btrfs", "device", "scan", "--forget"], capture_output=True)
        run("mount", "-t", kind, "-o", "loop", image, point)

    def end(self):
        for _ in range(50):
            if subprocess.run(["umount", self.point], capture_output=True).returncode == 0:
                return
            time.sleep(0.1)
        run("umount", self.point)


class Outer:
    """An XFS in a file, whose files can be copied at one moment. All images lie in it."""

    def __init__(self, directory):
        self.directory = directory
        shutil.rmtree(directory, ignore_errors=True)
        os.makedirs(directory)
        image = os.path.join(directory, "outer.xfs")
        with open(image, "wb") as file:
            file.truncate(OUTER_BYTES)
        self.mounts = []
        self.number = 0
        try:
            run("mkfs.xfs", "-q", "-f", "-m", "reflink=1", image)
            self.mounts.append(Mount(image, os.path.join(directory, "outer"), "xfs"))
        except Failed:
            self.end()
            raise

    def path(self, name):
        return os.path.join(self.mounts[0].point, name)

    def template(self, kind):
        """An empty file system of a kind, to be cloned."""
        path = self.path("empty-" + kind)
        with open(path, "wb") as file:
            file.truncate(IMAGE_BYTES)
        run(*MAKE[kind], path)
        return path

    def copy(self, image):
        self.number += 1
        path = self.path("image-%d" % self.number)
        clone(image, path)
        return path

    def mount(self, image, kind):
        mount = Mount(image, os.path.join(self.directory, "mounted"), kind)
        self.mounts.append(mount)
        return mount

    def unmount(self, mount):
        """Ends it and removes its image."""
        mount.end()
        self.mounts.remove(mount)
        os.unlink(mount.image)

    def end(self):
        while self.mounts:
            self.mounts.pop().end()
        shutil.rmtree(self.directory)


def fill(path):
    """Writes a file until there is no space left, to the last block."""
    with open(path, "ab", buffering=0) as file:
        for size in (4 << 20, 64 << 10, 4096):
            block = os.urandom(size)
            try:
                while file.write(block) == size:
                    pass
                os.fsync(file.fileno())
            except OSError:
                # No space: the smaller blocks may still find some.
                pass


def torn_copies(outer, copies=40):
    """Of so many copies of a file that is written in order all the time: those that are not of one moment."""
    path = outer.path("ordered")
    places = [i << 20 for i in range(64)]
    ends = threading.Event()

    def write():
        with open(path, "r+b", buffering=0) as file:
            number = 0
            while not ends.is_set():
                number += 1
                for place in places:
                    os.pwrite(file.fileno(), number.to_bytes(8, "little") * 512, place)

    with open(path, "wb") as file:
        file.truncate(len(places) << 20)
    writer = threading.Thread(target=write)
    writer.start()
    torn = []
    try:
        for number in range(copies):
            copied = outer.copy(path)
            with open(copied, "rb") as file:
                # The whole numbers in their order; of one write, all bytes.
                found = [os.pread(file.fileno(), 4096, place) for place in places]
            os.unlink(copied)
            numbers = [int.from_bytes(block[:8], "little") for block in found]
            whole = all(block == block[:8] * 512 for block in found)
            ordered = all(a >= b >= numbers[0] - 1 for a, b in zip(numbers, numbers[1:]))
            if not (whole and ordered):
                torn.append(number)
            time.sleep(0.002)
    finally:
        ends.set()
        writer.join()
        os.unlink(path)
    return torn
