# The Worker in workerd: the folder of a build, settings and the date are filled in.
using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "worker", worker = (
      modules = [
        (name = "watch.js", esModule = embed "{here}/watch.js"),
        (name = "tally.js", esModule = embed "{here}/tally.js"),
        (name = "index.js", esModule = embed "{build}/index.js"),
        (name = "index_bg.wasm", wasm = embed "{build}/index_bg.wasm"),
      ],
      compatibilityDate = "{date}",
      bindings = [{bindings}],
    )),
    # What the Worker fetches may be on this machine.
    (name = "internet", network = (allow = ["public", "private"], tlsOptions = (trustBrowserCas = true))),
  ],
  # A binding of the Secrets Store, as far as a Worker sees it.
  extensions = [(modules = [(name = "store", internal = true, esModule = embed "{here}/store.js")])],
  sockets = [
    (name = "proxy", address = "127.0.0.1:0", http = (), service = "worker"),
    (name = "watch", address = "127.0.0.1:0", http = (), service = (name = "worker", entrypoint = "watch")),
  ],
);
