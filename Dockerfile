# The server as a static program in an empty image. deploy/compose.yaml runs it.
FROM docker.io/library/rust:1.95-alpine AS build
WORKDIR /source
COPY . .
RUN cargo build --release --locked --package sparekey && mkdir /state

FROM scratch
COPY --from=build /source/target/release/sparekey /sparekey
# The folder of the ledger. A new volume takes over its owner.
COPY --from=build --chown=65532:65532 /state /var/lib/sparekey
# A number, because the image has no /etc/passwd.
USER 65532:65532
ENV LISTEN=0.0.0.0:8080 STATE_DIRECTORY=/var/lib/sparekey
EXPOSE 8080
HEALTHCHECK --start-period=5s CMD ["/sparekey", "health"]
ENTRYPOINT ["/sparekey"]
