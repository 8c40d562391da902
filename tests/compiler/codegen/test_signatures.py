"""Parameters of generated kernels get their qualifiers; nothing else of the text changes."""

from __future__ import annotations

from delrec_compile.compiler.codegen.signatures import rewrite

TEXT = """int before;
void f(float* x, int n) {
  x[0] = n;
}
void g(int n) {
}
"""
KERNEL = r"(void \w+)\(([^)]*)\) \{(.*?^\}\n)"


def test_each_kernel_is_qualified_by_its_own_body() -> None:
    seen = []

    def qualify(parameters: list[str], body: str) -> tuple[list[str], str]:
        seen.append((parameters, body))
        return [f"const {p}" for p in parameters], body.replace("n;", "n + 1;")

    assert rewrite(TEXT, KERNEL, qualify) == (
        "int before;\nvoid f(\n    const float* x,\n    const int n)\n{\n  x[0] = n + 1;\n}\n"
        "void g(\n    const int n)\n{\n}\n"
    )
    assert seen == [(["float* x", "int n"], "\n  x[0] = n;\n}\n"), (["int n"], "\n}\n")]
