"""Files that are replaced in one step: whoever reads one finds the old content or the new, never a part."""

import contextlib
import errno
import hashlib
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

ACL = "system.posix_acl_access"  # Linux' name for the access control list of a file
NOT_ALLOWED = errno.EACCES, errno.EPERM, errno.EROFS

if sys.platform == "win32":

    @contextlib.contextmanager
    def _held(descriptor: int) -> Iterator[os.stat_result]:
        """Close the file and give its status: Windows refuses to remove a file that another process has open."""
        try:
            status = os.fstat(descriptor)
        finally:
            os.close(descriptor)
        yield status

else:
    import fcntl

    @contextlib.contextmanager
    def _held(descriptor: int) -> Iterator[os.stat_result]:
        """Wait until no other process or thread holds the file, and give its status; a dead process holds none."""
        try:
            with contextlib.suppress(OSError):  # a file system without locks
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield os.fstat(descriptor)
        finally:
            os.close(descriptor)


def _is_at(path: Path, status: os.stat_result) -> bool:
    """Tell whether a path leads to the file of a status, and not to a later one of the same name."""
    try:
        return os.path.samestat(path.lstat(), status)
    except FileNotFoundError:
        return False


def _remove_stale(scratch: Path) -> None:
    """Remove what a process that was killed has left; wait for one that is still writing."""
    with contextlib.suppress(FileNotFoundError):  # it has just been moved
        if not stat.S_ISREG(scratch.lstat().st_mode):
            raise FileExistsError(f"{scratch} exists and is no regular file: it is where a temporary file should be")
        with _held(os.open(scratch, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))) as found:
            if _is_at(scratch, found):
                scratch.unlink()


@contextlib.contextmanager
def _scratch(target: Path, mode: int) -> Iterator[tuple[Path, os.stat_result]]:
    """Make the temporary file of a target, which is removed at the end unless it has been moved.

    It has one name a target, so that a process that is killed leaves one file at most, which the next removes. Whoever
    writes it holds a lock: by that, a file that is still written is told from one that was left.
    """
    key = hashlib.sha256(os.fsencode(target.name)).hexdigest()[:16]  # names are long, and file systems limit them
    scratch = target.with_name(f".{target.name[:20]}.{key}.tmp")
    while True:
        try:
            descriptor = os.open(scratch, os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)
        except FileExistsError:
            _remove_stale(scratch)
            continue
        except OSError as error:
            why = "; a file is replaced by a new one in its folder, which has to be writable"
            reason = f"{error.strerror}{why if error.errno in NOT_ALLOWED else ''}"
            raise OSError(error.errno, reason, str(target)) from None
        with _held(descriptor) as made:
            if not _is_at(scratch, made):  # removed as stale before it was held
                continue
            try:
                yield scratch, made
            finally:
                if _is_at(scratch, made):
                    scratch.unlink()
        return


def _status(path: Path) -> os.stat_result | None:
    """The status of a file that may be replaced, None if there is none yet."""
    try:
        status = path.stat()  # raises for a loop of links; from Python 3.13 on `resolve` does not
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(status.st_mode):
        raise FileExistsError(f"{path} exists and is no regular file")
    return status


def _keep_rights(target: Path, scratch: Path) -> None:
    """Give a new file mode, owner and access control list of the one that it replaces, and never wider ones."""
    old = _status(target)
    if old is None:
        return
    mode = stat.S_IMODE(old.st_mode)
    if sys.platform != "win32":
        try:
            os.chown(scratch, old.st_uid, old.st_gid)
        except OSError:  # only root gives files away
            mode &= 0o1777
            try:
                os.chown(scratch, -1, old.st_gid)
            except OSError:  # another group may do what all others may, and no more
                mode &= 0o1707 | (mode & 0o7) << 3
    if sys.platform == "linux":
        with contextlib.suppress(OSError):  # what the folder gives to new files
            os.removexattr(scratch, ACL)
        with contextlib.suppress(OSError):
            os.setxattr(scratch, ACL, os.getxattr(target, ACL))
    with contextlib.suppress(OSError):  # a file system without modes
        scratch.chmod(mode)


def check_replaceable(path: Path) -> None:
    """Raise the OSError that `replacing` would; a trial file beside the one of the path comes and goes."""
    _status(path)
    with _scratch(path.resolve(), 0o600):
        pass


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a file to write that takes the place of another only once it is whole; if anything fails, the old one stays.

    Mode, owner and access control list of the old file are kept where the system allows it, and links are followed. Two
    that write the same file at once do so one after the other.

    Parameters
    ----------
    path : Path
        The file that is to be made or replaced.

    Yields
    ------
    Path
        Another file in the same folder, empty, to be written under this name.

    Raises
    ------
    FileExistsError
        The path, or that of the temporary file, exists and is no regular file.
    OSError
        The folder is missing or not writable, or the disk is full.
    """
    private = _status(path) is not None
    target = path.resolve()  # behind a link stands the file that is meant
    with _scratch(target, 0o600 if private else 0o666) as (scratch, made):
        yield scratch
        with scratch.open("r+b") as file:
            os.fsync(file.fileno())
        _keep_rights(target, scratch)
        if not _is_at(scratch, made):
            raise FileNotFoundError(errno.ENOENT, "a temporary file was removed by another process", str(scratch))
        scratch.replace(target)
