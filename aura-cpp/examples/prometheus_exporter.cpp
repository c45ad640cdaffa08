// The metrics of an engine as a page for Prometheus. Serving it is up to the program's HTTP server; the C example
// prometheus_exporter.c has a small one.
#include "support.hpp"

#include <aura/metrics.hpp>

#include <iostream>

int main() {
  return example([] {
    aura::Engine engine;
    const TemporaryFile file(65536);
    aura::Buffer buffer = engine.allocate_buffer(4096);
    for (int block = 0; block < 10; block++) {
      static_cast<void>(engine.read(file.fd(), buffer, 4096, block * 4096, [](aura::Request &, ssize_t result) {
        ensure(result == 4096, "the read completes");
      }));
      engine.wait();
    }
    const std::string page = aura::metrics_prometheus(engine);
    std::cout << "Content-Type: " << AURA_PROMETHEUS_CONTENT_TYPE << "\n\n" << page;
    ensure(page.find("\naura_io_operations_total{op=\"read\"} 10\n") != std::string::npos, "all reads are counted");
  });
}
