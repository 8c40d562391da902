# The tool with the compiler, emulators and GPU code generator that pip has:
#   docker build -t delrec-compile .
#   docker run --rm -v "$PWD:/work" delrec-compile build conv_delay_256 --target cortex_m4
FROM python:3.11-slim-bookworm

COPY . /opt/delrec-compile
# PyTorch's own index holds the CPU build; the wheel on PyPI brings gigabytes of CUDA along
RUN pip install --no-cache-dir --extra-index-url https://download.pytorch.org/whl/cpu --no-deps torch==2.13.0 \
    && pip install --no-cache-dir --extra-index-url https://download.pytorch.org/whl/cpu "/opt/delrec-compile[cross,emu,cuda]" \
    && useradd --create-home --uid 1000 delrec \
    && install -d -o delrec /work

USER 1000
WORKDIR /work
ENTRYPOINT ["delrec-compile"]
CMD ["--help"]
