# The local cloud and the producer as static programs, in an image with nothing else but certificates.
#
#     docker build --tag windrow .
#     docker run --rm --publish 127.0.0.1:4566:4566 --volume windrow:/data windrow --bind 0.0.0.0
#
# docs/local-cloud.md explains the flags. `--target binaries` has the programs alone:
#
#     docker build --target binaries --build-arg PROGRAMS="consumer query" --output programs .

# Alpine, since programs for musl are static. Its Rust image has the C compiler that the crates ring,
# zstd-sys, libsqlite3-sys, libmimalloc-sys and psm need.
ARG RUST_VERSION=1.95
FROM rust:${RUST_VERSION}-alpine AS build
ARG PROGRAMS="local producer"
WORKDIR /src
COPY . .
# The caches outlive the step, but are in no layer, so the programs are copied. A program that has an
# interpreter is not static, and would not start in an empty image.
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,target=/src/target,sharing=locked \
    set -eu; \
    for program in $PROGRAMS; do set -- "$@" --package "$program"; done; \
    cargo build --release --locked "$@"; \
    mkdir /programs /data; \
    for program in $PROGRAMS; do \
        cp "target/release/$program" /programs/; \
        readelf --program-headers "/programs/$program" > headers; \
        if grep INTERP headers; then echo "error: $program is not static" >&2; exit 1; fi; \
    done

FROM scratch AS binaries
COPY --from=build /programs/ /

FROM scratch
# The producer can send to AWS, too.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /programs/ /usr/local/bin/
# A new volume gets its owner from the folder in the image.
COPY --from=build --chown=65532:65532 /data/ /data/
# There is no file of users. Programs look for AWS profiles in HOME.
ENV HOME=/data
USER 65532:65532
# Data is kept below the current folder, unless --data-dir says otherwise.
WORKDIR /data
VOLUME /data
EXPOSE 4566
# No HEALTHCHECK: it would need a program that asks the endpoint, and the image has none.
ENTRYPOINT ["/usr/local/bin/local"]
