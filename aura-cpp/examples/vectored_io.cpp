// One operation, several buffers: a header and a body that live in different places.
#include "support.hpp"

#include <array>

struct Header {
  char magic[4];
  std::uint32_t bytes;
};

static aura::Task<> write_record(aura::Engine &engine, int fd, Header header, std::span<std::byte> body) {
  const std::array<iovec, 2> parts{iovec{&header, sizeof header}, iovec{body.data(), body.size()}};
  const ssize_t bytes = co_await engine.async_writev(fd, parts, 0);
  ensure(bytes == static_cast<ssize_t>(sizeof header + body.size()), "the record is written as a whole");
}

int main() {
  return example([] {
    const TemporaryFile file;
    aura::Engine engine;
    std::vector<std::byte> body(1000), back(1000);
    fill_sample(body, 0);
    aura::sync_wait(engine, write_record(engine, file.fd(), {{'A', 'U', 'R', 'A'}, 1000}, body));

    Header header{};
    const std::array<iovec, 2> parts{iovec{&header, sizeof header}, iovec{back.data(), back.size()}};
    ssize_t result = 0;
    auto request = engine.readv(file.fd(), parts, 0, [&](aura::Request &, ssize_t bytes) { result = bytes; });
    ensure(static_cast<bool>(request), "submitted");
    engine.drain();
    ensure(result == 1008 && header.bytes == 1000 && std::string(header.magic, 4) == "AURA", "the header");
    ensure(back == body, "the body");
    std::printf("a record of %u bytes behind a header, in one operation each way\n", header.bytes);
  });
}
