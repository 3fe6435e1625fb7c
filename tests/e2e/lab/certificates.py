# SPDX-License-Identifier: Apache-2.0
"""Certificates for peers that are not culvert, from the lab's own authority."""

from .settings import build_directory
from .system import LabError, run

EXTENSIONS = """\
subjectAltName=critical,URI:{id}
keyUsage=critical,digitalSignature
extendedKeyUsage=serverAuth,clientAuth
basicConstraints=critical,CA:FALSE
"""


def issue(lab, spiffe_id, days=1):
    """A directory with tls.crt, tls.key and ca.crt, as the pod of this identity might have them."""
    directory = lab.scratch_for()
    extensions = directory / "extensions"
    extensions.write_text(EXTENSIONS.format(id=spiffe_id))
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    run("openssl", "req", "-new", *key, "-subj", "/", "-keyout", directory / "tls.key",
        "-out", directory / "request")
    run("openssl", "x509", "-req", "-in", directory / "request", "-days", days, "-CA",
        lab.authority / "ca.crt", "-CAkey", lab.authority / "ca.key", "-set_serial",
        f"0x{int.from_bytes(directory.name.encode(), 'big'):x}", "-extfile", extensions,
        "-out", directory / "tls.crt")
    (directory / "ca.crt").write_bytes((lab.authority / "ca.crt").read_bytes())
    return directory


def cases(lab, spiffe_id):
    """{name: (directory, refusal or None)} of tests/support/certificate_cases.cc, each with the
    directory's tls.crt, tls.key, ca.crt and how it must be judged."""
    tool = next(iter(sorted(build_directory().rglob("make_test_certificates"))), None)
    if tool is None:
        raise LabError(f"make_test_certificates is not built below {build_directory()}")
    directory = lab.scratch_for()
    found = {}
    for line in run(tool, directory, "--authority", lab.authority, "--id", spiffe_id).splitlines():
        name, expected = line.split("\t")
        found[name] = (directory / name, None if expected == "none" else expected)
    return found
