# SPDX-License-Identifier: MIT
"""Certificates for a test: an authority of its own, and who it has certified.

    authority = Authority(folder)
    authority.certify("server", "IP:127.0.0.1")     folder/server.pem and folder/server.key
"""

import subprocess


class Authority:
    def __init__(self, folder):
        self.folder = folder
        self.path = folder / "ca.pem"
        self.openssl("req", "-x509", *self.key("ca"), "-out", self.path, "-subj", "/CN=the authority of a test",
                     "-days", "2")

    def openssl(self, *words):
        subprocess.run(["openssl", *map(str, words)], check=True, stdin=subprocess.DEVNULL, capture_output=True)

    def key(self, name):
        return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout",
                self.folder / f"{name}.key"]

    def certify(self, name, alternative):
        request, extension = self.folder / f"{name}.csr", self.folder / f"{name}.ext"
        extension.write_text(f"subjectAltName={alternative}\n")
        self.openssl("req", *self.key(name), "-out", request, "-subj", f"/CN={name}")
        self.openssl("x509", "-req", "-in", request, "-CA", self.path, "-CAkey", self.folder / "ca.key",
                     "-CAcreateserial", "-days", "2", "-extfile", extension, "-out", self.folder / f"{name}.pem")
