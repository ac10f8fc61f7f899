# The Worker in workerd; the suite fills in the build folder, the settings and the date.
using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "worker", worker = (
      modules = [
        (name = "{watch}", esModule = embed "{here}/{watch}"),
        {more}
        (name = "tally.js", esModule = embed "{here}/tally.js"),
        (name = "index.js", esModule = embed "{build}/index.js"),
        (name = "index_bg.wasm", wasm = embed "{build}/index_bg.wasm"),
      ],
      compatibilityDate = "{date}",
      compatibilityFlags = [{flags}],
      bindings = [{bindings}],
      {objects}
    )),
    {services}
    # The upstream is on loopback.
    (name = "internet", network = (allow = ["public", "private"], tlsOptions = (trustBrowserCas = true))),
  ],
  # A Secrets Store binding with the interface that a Worker uses.
  extensions = [(modules = [(name = "store", internal = true, esModule = embed "{here}/store.js")])],
  sockets = [
    (name = "proxy", address = "127.0.0.1:0", http = (), service = "worker"),
    (name = "watch", address = "127.0.0.1:0", http = (), service = (name = "worker", entrypoint = "watch")),
  ],
);
