"""Keys of the link: a certificate authority of the user's own, and one key for each side.

`openssl` makes them: P-256 keys and X.509 certificates. A certificate says for which side it is
(extended key usage), so the key of an arm cannot stand in for the learner. Whoever has a side's
folder can take part as that side; the CA's folder is needed only to make further keys.
"""

from collections.abc import Sequence
import os
from pathlib import Path
import re
import shutil
import ssl
import subprocess
import tempfile

from so101_node.durable import make_private
from so101_node.errors import CellError
from so101_node.foreign_files import file_size

DIRECTORY = 'link-keys'
LEARNER = 'learner'
CA, CERTIFICATE, KEY = 'ca.pem', 'certificate.pem', 'key.pem'
_DAYS = '3650'
_LARGEST = 1 << 16  # bytes of a file of keys
_NAME = re.compile(r'[a-z][a-z0-9_-]{0,30}')


def make_keys(directory: Path, arms: Sequence[str]) -> list[Path]:
    """Make the CA and a folder for the learner and for each arm; return the new folders.

    What exists is kept. CellError if a name cannot be used, or openssl is missing or fails.
    """
    for name in arms:
        if not _NAME.fullmatch(name) or name in (LEARNER, 'ca'):
            raise CellError(
                f'--arms {name} is no name of an arm: small letters, digits, - and _, not '
                f'{LEARNER} or ca'
            )
    if not shutil.which('openssl'):
        raise CellError('openssl is missing; install it with: sudo apt-get install openssl')
    make_private(directory)
    authority = directory / 'ca'
    made = []
    if not (authority / KEY).exists():
        _make(authority, lambda folder: _make_authority(folder))
        made.append(authority)
    for name in (LEARNER, *arms):
        if not (directory / name / KEY).exists():
            _make(directory / name, lambda folder, name=name: _make_side(folder, authority, name))
            made.append(directory / name)
    return made


def _make(folder: Path, fill: object) -> None:
    """Fill a folder under another name, then rename it: it is complete, or not there."""
    beside = Path(tempfile.mkdtemp(prefix=f'.{folder.name}-', dir=folder.parent))  # mode 0700
    try:
        fill(beside)  # type: ignore[operator]
        for file in beside.iterdir():
            file.chmod(0o600)
        beside.rename(folder)
    except OSError as error:
        raise CellError(f'{folder} cannot be made: {error.strerror}; move it away') from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _make_authority(folder: Path) -> None:
    _openssl(
        *('req', '-x509', *_new_key(folder), '-days', _DAYS, '-subj', '/CN=hilserl link'),
        *('-addext', 'basicConstraints=critical,CA:TRUE,pathlen:0'),
        *('-addext', 'keyUsage=critical,keyCertSign', '-out', str(folder / CA)),
    )


def _make_side(folder: Path, authority: Path, name: str) -> None:
    usage = 'serverAuth' if name == LEARNER else 'clientAuth'
    request, extensions = folder / 'request', folder / 'extensions'
    _openssl('req', *_new_key(folder), '-subj', f'/CN={name}', '-out', str(request))
    extensions.write_text(
        'basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n'
        f'extendedKeyUsage=critical,{usage}\n',
        encoding='ascii',
    )
    _openssl(
        *('x509', '-req', '-in', str(request), '-CA', str(authority / CA)),
        *('-CAkey', str(authority / KEY), '-set_serial', f'0x{os.urandom(15).hex()}'),
        *('-days', _DAYS, '-extfile', str(extensions), '-out', str(folder / CERTIFICATE)),
    )
    request.unlink()
    extensions.unlink()
    shutil.copyfile(authority / CA, folder / CA)


def _new_key(folder: Path) -> list[str]:
    curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
    return [*curve, '-keyout', str(folder / KEY)]


def _openssl(*words: str) -> None:
    done = subprocess.run(['openssl', *words], capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ['no message'])[-1]
        raise CellError(f'openssl {words[0]} failed: {last[:200]}')


def has_keys(folder: Path) -> bool:
    """Return whether this is a folder of keys of one side."""
    return all((folder / name).is_file() for name in (CA, CERTIFICATE, KEY))


def tls(folder: Path, server: bool) -> ssl.SSLContext:
    """Return TLS 1.3 with the keys in a folder; each side must prove that it has such keys.

    CellError if the files cannot be used, or others can read the key.
    """
    for name in (CA, CERTIFICATE, KEY):
        file_size(folder / name, 'the link key', _LARGEST, 'make it with ./cell secure --link')
    if (mode := (folder / KEY).stat().st_mode) & 0o077:
        raise CellError(
            f'{folder / KEY} can be read by other users (mode {mode & 0o777:04o}); run: '
            f'chmod 600 {folder / KEY}'
        )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    # The learner's address may change. Its certificate is the only one for a server of this CA.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    try:
        context.load_verify_locations(folder / CA)
        context.load_cert_chain(folder / CERTIFICATE, folder / KEY)
    except (ssl.SSLError, OSError) as error:
        raise CellError(
            f'the link keys in {folder} cannot be used: {error}; make them with '
            './cell secure --link, and copy the whole folder'
        ) from error
    return context
