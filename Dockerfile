# The relay's image: the compiled binary on a small Debian. It needs glibc, so Alpine's musl will not do.
# Base images are pinned by version. To pin them by content too, add the digests that your registry shows: FROM name:tag@sha256:…

FROM rust:1.95.0-slim-bookworm AS native
WORKDIR /standpipe
# The crates take the reasons for rejection from this file.
COPY src/protocol/reasons.ts src/protocol/reasons.ts
COPY native native
# The script gives up quietly on a machine that can't build the engine. An image without it would verify ten times slower.
RUN sh native/build.sh && test -f native/standpipe.node

FROM oven/bun:1.4.5-slim AS build
WORKDIR /standpipe
COPY package.json package-lock.json bunfig.toml ./
RUN bun install --production --frozen-lockfile --ignore-scripts
COPY tsconfig.json ./
COPY src src
COPY --from=native /standpipe/native/standpipe.node native/standpipe.node
RUN bun run build

FROM debian:12-slim
# A number and not a name: Kubernetes must see that it is not root. The folder is what a new volume is copied from.
RUN install -d -o 65532 -g 65532 -m 0750 /data
COPY --from=build /standpipe/dist/standpipe /usr/local/bin/standpipe
USER 65532:65532
# The relay's state is in ./data by default: here it is the volume.
WORKDIR /
VOLUME /data
# The public port. The internal one, 2471, listens inside of the container only, unless RELAY_METRICS_LISTEN says otherwise.
EXPOSE 2470
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s CMD ["standpipe", "health"]
ENTRYPOINT ["standpipe"]
CMD ["serve"]
