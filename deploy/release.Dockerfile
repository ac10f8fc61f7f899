# The image of a release: the program of the release, in an empty image. ../Dockerfile builds one from the sources.
# Its context has the programs, and an empty folder `state`.
FROM scratch
ARG TARGETARCH
COPY sparekey-${TARGETARCH} /sparekey
# The folder of the ledger. A new volume takes over its owner.
COPY --chown=65532:65532 state /var/lib/sparekey
# A number, because the image has no /etc/passwd.
USER 65532:65532
ENV LISTEN=0.0.0.0:8080 STATE_DIRECTORY=/var/lib/sparekey
EXPOSE 8080
HEALTHCHECK --start-period=5s CMD ["/sparekey", "health"]
ENTRYPOINT ["/sparekey"]
