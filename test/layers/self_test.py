#!/usr/bin/env python3
"""The checker finds what is planted, in a tree of its own, and nothing in a clean tree."""
import pathlib
import tempfile
import unittest

from check import check

CLEAN = {
    'src/base/README.md': 'base\n',
    'src/wire/README.md': 'wire\n',
    'src/net/README.md': 'net\n',
    'src/app/README.md': 'app\n',
    'include/howdah/base/a.h': '#include <string>\n#include <sys/random.h>\n',
    'include/howdah/wire/b.h': '#include "howdah/base/a.h"\n',
    'src/wire/b.cpp': '#include "howdah/wire/b.h"\n#include "wire/hidden.h"\n#include "hidden.h"\n',
    'src/wire/hidden.h': '',
    'src/net/n.cpp': '#include <openssl/ssl.h>\n#include <uv.h>\n',
    'src/app/ping.cpp': '#include <libpq-fe.h>\n',
    'test/unit/base/a_test.cpp': '',
}


class Planted(unittest.TestCase):
    def found(self, extra):
        with tempfile.TemporaryDirectory() as root:
            for name, text in {**CLEAN, **extra}.items():
                path = pathlib.Path(root, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            return '\n'.join(check(root))

    def expect(self, text, extra):
        self.assertIn(text, self.found(extra))

    def test_a_clean_tree_passes(self):
        self.assertEqual('', self.found({}))

    def test_include_upwards(self):
        self.expect('src/base/x.cpp:2: base may not include wire',
                    {'src/base/x.cpp': '\n#include "howdah/wire/b.h"\n'})

    def test_include_in_a_public_header(self):
        self.expect('wire may not include net', {
            'include/howdah/net/n.h': '', 'include/howdah/wire/c.h': '# include "howdah/net/n.h"\n'})

    def test_private_header_of_another_folder(self):
        self.expect('is no header of net', {'src/net/y.cpp': '#include "wire/hidden.h"\n'})

    def test_public_header_with_private_include(self):
        self.expect('may not include the private',
                    {'include/howdah/wire/c.h': '#include "wire/hidden.h"\n'})

    def test_cycle(self):
        self.expect('include cycle: p.h -> q.h -> p.h', {
            'include/howdah/wire/p.h': '#include "howdah/wire/q.h"\n',
            'include/howdah/wire/q.h': '#include "howdah/wire/p.h"\n'})

    def test_foreign_library_away_from_home(self):
        for header in ('uv.h', 'openssl/ssl.h', 'openssl/evp.h', 'libpq-fe.h', 'ini.h',
                       'spdlog/spdlog.h', 'pg_query.h', 'boost/asio.hpp', 'event2/event.h'):
            self.expect(f'<{header}>', {'src/wire/z.cpp': f'#include <{header}>\n'})

    def test_libcrypto_but_not_libssl_in_auth(self):
        auth = {'src/auth/README.md': '', 'src/auth/k.cpp': '#include <openssl/evp.h>\n'}
        self.assertEqual('', self.found(auth))
        auth['src/auth/k.cpp'] = '#include <openssl/ssl.h>\n'
        self.expect('<openssl/ssl.h> belongs to net', auth)

    def test_long_file_needs_a_reason(self):
        long = {'src/wire/long.cpp': '\n' * 501}
        self.expect('501 lines', long)
        self.assertEqual('', self.found({**long, 'src/wire/README.md': 'long.cpp: a table.\n'}))
        self.expect('501 lines', {'test/unit/base/long_test.cpp': '\n' * 501})

    def test_readme_missing_or_long(self):
        self.expect('src/pool: no README.md', {'src/pool/p.cpp': ''})
        self.expect('over 60 lines', {'src/wire/README.md': 'x\n' * 61})

    def test_unknown_folder(self):
        self.expect('folder util is not in layers.txt', {'src/util/README.md': '', 'src/util/u.h': ''})


if __name__ == '__main__':
    unittest.main()
