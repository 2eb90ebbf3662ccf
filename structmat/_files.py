"""Atomic replacement of files: a reader finds the old content or the new, never a part."""

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
        """Close the file and yield its status: on Windows an open file cannot be removed."""
        try:
            status = os.fstat(descriptor)
        finally:
            os.close(descriptor)
        yield status

else:
    import fcntl

    @contextlib.contextmanager
    def _held(descriptor: int) -> Iterator[os.stat_result]:
        """Lock the file while its status is used; waits for other processes and threads. Locks end with a process."""
        try:
            with contextlib.suppress(OSError):  # a file system without locks
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield os.fstat(descriptor)
        finally:
            os.close(descriptor)


def _is_at(path: Path, status: os.stat_result) -> bool:
    """Tell whether a path is that of the file with a status, and not of a later file of the same name."""
    try:
        return os.path.samestat(path.lstat(), status)
    except FileNotFoundError:
        return False


def _remove_stale(scratch: Path) -> None:
    """Remove the temporary file of a killed process; wait for a process that is still writing."""
    with contextlib.suppress(FileNotFoundError):  # the file has just been moved
        if not stat.S_ISREG(scratch.lstat().st_mode):
            raise FileExistsError(f"{scratch} exists and is no regular file: it is where a temporary file should be")
        with _held(os.open(scratch, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))) as found:
            if _is_at(scratch, found):
                scratch.unlink()


@contextlib.contextmanager
def _scratch(target: Path, mode: int) -> Iterator[tuple[Path, os.stat_result]]:
    """Create the temporary file of a target; at the end it is removed unless it has been moved.

    Each target has one temporary name, so a killed process leaves at most one file, which the next process removes. The
    writer holds a lock, which distinguishes a file in use from a stale one.
    """
    key = hashlib.sha256(os.fsencode(target.name)).hexdigest()[:16]  # the length of names is limited
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
    """The status of a file that may be replaced; None if it does not exist."""
    try:
        status = path.stat()  # raises for a loop of links; from Python 3.13 on `resolve` does not
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(status.st_mode):
        raise FileExistsError(f"{path} exists and is no regular file")
    return status


def _keep_rights(target: Path, scratch: Path) -> None:
    """Copy mode, owner and access control list of the old file to the new one; never grant more than the old one."""
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
            except OSError:  # another group gets the rights of others, and no more
                mode &= 0o1707 | (mode & 0o7) << 3
    if sys.platform == "linux":
        with contextlib.suppress(OSError):  # inherited from the folder
            os.removexattr(scratch, ACL)
        with contextlib.suppress(OSError):
            os.setxattr(scratch, ACL, os.getxattr(target, ACL))
    with contextlib.suppress(OSError):  # a file system without modes
        scratch.chmod(mode)


def check_replaceable(path: Path) -> None:
    """Raise the OSError that `replacing` would, by a trial file in the same folder."""
    _status(path)
    with _scratch(path.resolve(), 0o600):
        pass


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Context manager: write a temporary file that replaces another at the end; on failure the old file stays.

    Mode, owner and access control list of the old file are kept where the system allows it, and links are followed.
    Concurrent writers of one file take turns.

    Parameters
    ----------
    path : Path
        The file to create or replace.

    Yields
    ------
    Path
        An empty temporary file in the same folder, to write to.

    Raises
    ------
    FileExistsError
        The path, or the path of the temporary file, exists and is no regular file.
    OSError
        The folder is missing or not writable, or the disk is full.
    """
    private = _status(path) is not None
    target = path.resolve()  # a link is followed
    with _scratch(target, 0o600 if private else 0o666) as (scratch, made):
        yield scratch
        with scratch.open("r+b") as file:
            os.fsync(file.fileno())
        _keep_rights(target, scratch)
        if not _is_at(scratch, made):
            raise FileNotFoundError(errno.ENOENT, "a temporary file was removed by another process", str(scratch))
        scratch.replace(target)
