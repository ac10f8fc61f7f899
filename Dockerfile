# The server as a static program in an empty image. deploy/compose.yaml runs it.
FROM docker.io/library/rust:1.95-alpine AS build
WORKDIR /source
COPY . .
RUN cargo build --release --locked --package sparekey

FROM scratch
COPY --from=build /source/target/release/sparekey /sparekey
# A number, because the image has no /etc/passwd.
USER 65532:65532
ENV LISTEN=0.0.0.0:8080
EXPOSE 8080
HEALTHCHECK --start-period=5s CMD ["/sparekey", "health"]
ENTRYPOINT ["/sparekey"]
