# syntax=docker/dockerfile:1
# One static binary and nothing else. Built on the machine's own architecture for any other: emulation is slow.
# docs/image.md has the commands.
FROM --platform=$BUILDPLATFORM docker.io/library/rust:1.95-bookworm AS build
RUN case "$(dpkg --print-architecture)" in \
    amd64) cross="gcc-aarch64-linux-gnu libc6-dev-arm64-cross" ;; \
    *) cross="gcc-x86-64-linux-gnu libc6-dev-amd64-cross" ;; \
    esac \
    && apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates $cross \
    && rm -rf /var/lib/apt/lists/*
RUN cargo install --locked cargo-auditable@0.7.7 auditable2cdx@0.1.0
WORKDIR /src
COPY . .
ARG TARGETARCH
RUN cargo xtask image-root --architecture "$TARGETARCH" --output /image

FROM scratch
COPY --from=build /image /
USER 65532:65532
EXPOSE 8080 8081
ENTRYPOINT ["/flippy"]
CMD ["run"]
