"""Languages by the names of files: quick, offline, and honest about what a name can tell."""

from __future__ import annotations

__all__ = ["BINARY_SUFFIXES", "CODE", "language_of"]

_BY_SUFFIX = {
    suffix: language
    for language, suffixes in {
        "Python": ".py .pyi .pyx", "Jupyter": ".ipynb", "JavaScript": ".js .mjs .cjs .jsx",
        "TypeScript": ".ts .tsx .mts .cts", "Go": ".go", "Rust": ".rs", "Java": ".java",
        "Kotlin": ".kt .kts", "Scala": ".scala", "C#": ".cs", "F#": ".fs", "C": ".c .h",
        "C++": ".cc .cpp .cxx .hpp .hh", "Ruby": ".rb", "PHP": ".php", "Swift": ".swift",
        "Dart": ".dart", "Elixir": ".ex .exs", "Erlang": ".erl", "Haskell": ".hs", "R": ".r",
        "Julia": ".jl", "Lua": ".lua", "Perl": ".pl .pm", "Shell": ".sh .bash .zsh",
        "PowerShell": ".ps1", "SQL": ".sql", "HTML": ".html .htm", "CSS": ".css .scss .sass .less",
        "Vue": ".vue", "Svelte": ".svelte", "YAML": ".yaml .yml", "JSON": ".json", "TOML": ".toml",
        "XML": ".xml", "Markdown": ".md .mdx", "reStructuredText": ".rst",
        "Protocol Buffers": ".proto", "GraphQL": ".graphql .gql", "Terraform": ".tf",
        "Groovy": ".groovy .gradle", "Cython": ".pxd", "Nix": ".nix", "Zig": ".zig",
        "Visual Basic": ".vb", "Objective-C": ".m .mm", "Clojure": ".clj .cljs .cljc",
        "Razor": ".cshtml .razor", "ERB": ".erb", "Properties": ".properties .ini .cfg .conf",
    }.items()
    for suffix in suffixes.split()
}  # fmt: skip
_BY_NAME = {
    "Dockerfile": "Dockerfile", "Containerfile": "Dockerfile", "Makefile": "Makefile",
    "GNUmakefile": "Makefile", "makefile": "Makefile", "Jenkinsfile": "Groovy", "Rakefile": "Ruby",
    "Gemfile": "Ruby", "CMakeLists.txt": "CMake", "Snakefile": "Snakemake", "Procfile": "Procfile",
}  # fmt: skip

#: Languages that programs are written in; the rest are data, documents and markup.
CODE = frozenset(
    "Python JavaScript TypeScript Go Rust Java Kotlin Scala C# F# C C++ Ruby PHP Swift Dart Elixir "
    "Erlang Haskell R Julia Lua Perl Shell PowerShell SQL Vue Svelte Groovy Cython Zig".split()
) | {"Visual Basic", "Objective-C", "Clojure", "Razor"}

#: Files of these kinds are counted as binary by their name alone.
BINARY_SUFFIXES = frozenset(
    ".png .jpg .jpeg .gif .bmp .ico .webp .tif .tiff .psd .pdf .zip .gz .bz2 .xz .zst .7z "
    ".rar .tar .tgz .whl .egg .jar .war .class .so .dll .dylib .exe .bin .o .a .lib .obj .pyc "
    ".pyo .wasm .woff .woff2 .ttf .otf .eot .mp3 .mp4 .mov .avi .mkv .wav .flac .ogg .webm "
    ".sqlite .sqlite3 .db .parquet .feather .arrow .h5 .hdf5 .npy .npz .pkl .pickle .pt .onnx "
    ".gguf .safetensors .iso .dmg .deb .rpm .msi .apk .xls .xlsx .doc .docx .ppt .pptx".split()
)


def language_of(name: str) -> str:
    """The language of a file of that name, "" where the name does not tell.

    >>> language_of("api/Dockerfile.dev".rpartition("/")[2]), language_of("a.PY"), language_of("x")
    ('Dockerfile', 'Python', '')
    """
    if found := _BY_NAME.get(name):
        return found
    if name.startswith("Dockerfile.") or name.endswith(".Dockerfile"):
        return "Dockerfile"
    stem, dot, suffix = name.rpartition(".")
    return _BY_SUFFIX.get(f".{suffix.lower()}", "") if dot and stem else ""
