#!/usr/bin/env python3
"""Checks that the folders of src/ are layers: check.py ROOT.

Reads layers.txt beside it. Reports, each with file and line: includes the table does not allow,
private headers of another folder, include cycles, foreign libraries outside their home, files over
500 lines that their folder's README does not name, folders of src/ without a README.md or with one
over 60 lines. Exit status 1 if there is anything to report.
"""
import pathlib
import re
import sys

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
MAX_LINES = 500
MAX_README = 60


class Table:
    def __init__(self, text):
        self.allowed, self.foreign, self.system = {}, [], []
        for line in text.splitlines():
            line = line.split('#', 1)[0].strip()
            if line.startswith('system '):
                self.system += line.split()[1:]
            elif '->' in line:
                header, homes = line.split('->')
                self.foreign.append((header.strip(), homes.split()))
            elif line:
                folder, others = line.split(':')
                self.allowed[folder] = others.split()

    @staticmethod
    def matches(pattern, header):
        if pattern.endswith('*'):
            return header.startswith(pattern[:-1])
        if pattern.endswith('/'):
            return header.startswith(pattern)
        return header == pattern

    def foreign_problem(self, folder, name, header):
        """Why <header> may not stand in src/folder/name, or None."""
        if '.' not in header and '/' not in header:
            return None  # C++ standard library
        for pattern, homes in self.foreign:
            if self.matches(pattern, header):
                if folder in homes or f'{folder}/{name}' in homes:
                    return None
                return f'<{header}> belongs to {" ".join(homes)}'
        if any(self.matches(pattern, header) for pattern in self.system):
            return None
        return f'<{header}> is in no line of layers.txt'


class Checker:
    def __init__(self, root, table):
        self.root, self.table = root, table
        self.problems, self.graph = [], {}

    def say(self, path, line, text):
        where = path.relative_to(self.root)
        self.problems.append(f'{where}:{line}: {text}' if line else f'{where}: {text}')

    def sources(self, *tops):
        for top in tops:
            for path in sorted((self.root / top).rglob('*')):
                if path.suffix in ('.h', '.cpp') and path.is_file():
                    yield path

    def folder_of(self, path):
        parts = path.relative_to(self.root).parts
        return parts[2] if parts[0] == 'include' else parts[1]

    def check_include(self, path, number, kind, header):
        folder = self.folder_of(path)
        public = header.split('/')
        if public[0] == 'howdah' and len(public) >= 3:
            other = public[1]
            if other != folder and other not in self.table.allowed.get(folder, []):
                self.say(path, number, f'{folder} may not include {other} ({header})')
            return self.root / 'include' / header
        if kind == '<':
            problem = self.table.foreign_problem(folder, path.name, header)
            if problem:
                self.say(path, number, problem)
            return None
        target = path.parent / header if '/' not in header else self.root / 'src' / header
        if self.folder_of(target) != folder or not target.exists():
            self.say(path, number, f'"{header}" is no header of {folder}: use <...> for libraries '
                                   f'and howdah/... for other folders')
            return None
        if path.relative_to(self.root).parts[0] == 'include':
            self.say(path, number, f'a public header may not include the private "{header}"')
        return target

    def check_includes(self):
        for path in self.sources('src', 'include/howdah'):
            folder = self.folder_of(path)
            if folder not in self.table.allowed:
                self.say(path, 0, f'folder {folder} is not in layers.txt')
                continue
            targets = self.graph.setdefault(path, [])
            for number, line in enumerate(path.read_text().splitlines(), 1):
                match = INCLUDE.match(line)
                target = match and self.check_include(path, number, match[1], match[2])
                if target:
                    targets.append(target)

    def check_cycles(self):
        done, trail = set(), []

        def visit(path):
            if path in trail:
                cycle = trail[trail.index(path):] + [path]
                self.say(path, 0, 'include cycle: ' + ' -> '.join(p.name for p in cycle))
                return
            if path in done:
                return
            trail.append(path)
            for target in self.graph.get(path, []):
                visit(target)
            trail.pop()
            done.add(path)

        for path in sorted(self.graph):
            visit(path)

    def readme_for(self, path):
        """The nearest README.md up from path; that of src/x for include/howdah/x."""
        parts = path.relative_to(self.root).parts
        at = self.root / 'src' / parts[2] if parts[0] == 'include' else path.parent
        while at != self.root and not (at / 'README.md').exists():
            at = at.parent
        readme = at / 'README.md'
        return readme.read_text() if at != self.root and readme.exists() else ''

    def check_sizes(self):
        for path in self.sources('src', 'include/howdah', 'test'):
            lines = len(path.read_text().splitlines())
            if lines > MAX_LINES and path.name not in self.readme_for(path):
                self.say(path, 0, f'{lines} lines, and its README does not say why')

    def check_readmes(self):
        for folder in sorted((self.root / 'src').iterdir()):
            if not folder.is_dir() or not any(folder.iterdir()):
                continue
            readme = folder / 'README.md'
            if not readme.exists():
                self.say(folder, 0, 'no README.md')
            elif len(readme.read_text().splitlines()) > MAX_README:
                self.say(readme, 0, f'over {MAX_README} lines')

    def run(self):
        self.check_includes()
        self.check_cycles()
        self.check_sizes()
        self.check_readmes()
        return self.problems


def check(root):
    table = Table((pathlib.Path(__file__).parent / 'layers.txt').read_text())
    return Checker(pathlib.Path(root).resolve(), table).run()


if __name__ == '__main__':
    found = check(sys.argv[1])
    print('\n'.join(found) if found else 'layers hold')
    sys.exit(1 if found else 0)
