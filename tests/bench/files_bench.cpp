// epic::File against a loop of read() or write() on the same file system, in parts of 4 KiB and of 1 MiB: through the
// page cache on both sides, and until all parts are written. A file of 64 MiB in each round. Both make each part before
// they write it, and look at every byte that they have read. An argument ("small", "large") selects one size.

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "bench/bench_fabric.hpp"
#include "bench/bench_support.hpp"
#include "bench/modules/fabric_entities.hpp"
#include "epic/client.hpp"

using namespace epic::bench;
using bench_module::Copyist;
using bench_module::look_at;
using bench_module::make_part;
using bench_module::Notary;
using epic::Client;

namespace {

constexpr std::uint64_t kFileBytes = 64u << 20;
constexpr int kFileRounds = 7;
constexpr auto kPatience = std::chrono::hours(1);

class PlainFile {
 public:
  PlainFile(const std::filesystem::path& path, int flags) : fd_(::open(path.c_str(), flags | O_CLOEXEC, 0666)) {
    if (fd_ < 0) throw std::runtime_error("cannot open " + path.string());
  }
  PlainFile(const PlainFile&) = delete;
  PlainFile& operator=(const PlainFile&) = delete;
  ~PlainFile() { ::close(fd_); }
  [[nodiscard]] int fd() const { return fd_; }

 private:
  int fd_;
};

std::uint64_t read_plainly(const std::filesystem::path& path, std::uint64_t part_bytes) {
  const PlainFile file(path, O_RDONLY);
  std::string part(part_bytes, ' ');
  std::uint64_t sum = 0;
  while (const ssize_t count = ::read(file.fd(), part.data(), part.size())) {
    if (count < 0) throw std::runtime_error("cannot read " + path.string());
    sum += look_at(std::string_view(part).substr(0, static_cast<std::size_t>(count)));
  }
  return sum;
}

void write_plainly(const std::filesystem::path& path, std::uint64_t part_bytes, std::uint64_t count) {
  const PlainFile file(path, O_WRONLY | O_CREAT | O_TRUNC);
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::string part = make_part(i, part_bytes);
    if (::write(file.fd(), part.data(), part.size()) != static_cast<ssize_t>(part.size()))
      throw std::runtime_error("cannot write " + path.string());
  }
}

class FilesBench {
 public:
  void run(const std::string& unit, std::uint64_t part_bytes) {
    const std::uint64_t parts = kFileBytes / part_bytes;
    const Side plain_write{
        "write()", [=, this](std::uint64_t count) { write_plainly(fabric_.files() / "plain", part_bytes, count); }};
    client_.call(copyist_.with(kPatience)->write("ours", part_bytes, parts));  // makes the folder
    compare_one(unit + ", written", parts, plain_write, [=, this](std::uint64_t count) {
      client_.call(copyist_.with(kPatience)->write("ours", part_bytes, count));
    });
    compare_one(unit + ", written after a change that is saved", parts, plain_write, [=, this](std::uint64_t count) {
      client_.call(notary_.with(kPatience)->write("noted", part_bytes, count));
    });
    const auto sum = std::make_shared<std::uint64_t>();
    compare_one(unit + ", read", parts,
                {"read()", [=, this](std::uint64_t) { *sum = read_plainly(fabric_.files() / "plain", part_bytes); }},
                [=, this](std::uint64_t) {
                  const std::uint64_t ours = client_.call(copyist_.with(kPatience)->read("ours", part_bytes));
                  if (ours < kFileBytes || (*sum != 0 && ours != *sum))
                    throw std::runtime_error("other bytes than were written");
                });
  }
  void report() const { print_table(rows_); }

 private:
  void compare_one(const std::string& title, std::uint64_t parts, const Side& plain,
                   std::function<void(std::uint64_t)> ours) {
    const Outcome outcome = compare({.title = "parts of " + title,
                                     .subject = {"epic::File", std::move(ours)},
                                     .yardstick = plain,
                                     .count = parts,
                                     .rounds = kFileRounds});
    rows_.push_back({"parts of " + title, fmt::format("{:.2f}", 1 / outcome.ratio)});
  }

  BenchFabric fabric_{1};  // before this process has threads
  Client client_ = fabric_.connect();
  epic::Ref<Copyist> copyist_ = client_.get<Copyist>("a");
  epic::Ref<Notary> notary_ = client_.get<Notary>("a");
  std::vector<std::vector<std::string>> rows_{{"throughput, of the plain program's", ""}};
};

}  // namespace

int main(int argc, char** argv) {
  print_warnings();
  FilesBench bench;
  const std::string_view only = argc > 1 ? argv[1] : "";
  if (only != "large") bench.run("4 KiB", 4u << 10);
  if (only != "small") bench.run("1 MiB", 1u << 20);
  bench.report();
}
