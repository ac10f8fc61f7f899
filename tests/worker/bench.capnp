# A Worker alone, for the benchmark: modules, settings and the date are filled in.
using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "worker", worker = (
      modules = [{modules}],
      compatibilityDate = "{date}",
      bindings = [{bindings}],
    )),
    (name = "internet", network = (allow = ["public", "private"])),
  ],
  sockets = [(name = "proxy", address = "127.0.0.1:0", http = (), service = "worker")],
);
