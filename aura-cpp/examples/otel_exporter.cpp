// Pushes the metrics of an engine to an OpenTelemetry collector.
//
//   otel_exporter [--dry-run]                        prints the request, and sends nothing
//   otel_exporter http://127.0.0.1:4318/v1/metrics   pushes once
#include "support.hpp"

#include <aura/metrics.hpp>

#include <iostream>
#include <string_view>

int main(int argc, char **argv) {
  return example([&] {
    aura::Engine engine;
    const TemporaryFile file(4096);
    aura::Buffer buffer = engine.allocate_buffer(4096);
    static_cast<void>(engine.read(file.fd(), buffer, 4096, 0, [](aura::Request &, ssize_t result) {
      ensure(result == 4096, "the read completes");
    }));
    engine.wait();
    const std::string request = aura::metrics_otel(engine);
    if (argc < 2 || std::string_view(argv[1]) == "--dry-run") {
      std::cout << request << "\n";
      ensure(request.find("\"aura.io.operations\"") != std::string::npos, "the operations are in it");
      return;
    }
    const int status = aura::otel_push(argv[1], request); // Throws if nobody answers.
    std::cout << "status " << status << "\n";
    ensure(status == 200, "the collector takes it");
  });
}
