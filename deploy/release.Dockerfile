# The image of a release: the program of the release, in an empty image. ../Dockerfile builds one from the sources.
FROM scratch
ARG TARGETARCH
COPY sparekey-${TARGETARCH} /sparekey
# A number, because the image has no /etc/passwd.
USER 65532:65532
ENV LISTEN=0.0.0.0:8080
EXPOSE 8080
HEALTHCHECK --start-period=5s CMD ["/sparekey", "health"]
ENTRYPOINT ["/sparekey"]
