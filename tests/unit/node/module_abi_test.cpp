#include "node/module_abi.hpp"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "support/frames.hpp"

using epic::node::read_module_abi;

namespace {

/// A temporary file, removed afterwards.
class FileOfBytes {
 public:
  explicit FileOfBytes(const std::string& bytes) {
    std::string name = (std::filesystem::temp_directory_path() / "epic-abi-XXXXXX").string();
    ::close(::mkstemp(name.data()));
    path_ = name;
    std::ofstream(path_, std::ios::binary) << bytes;
  }
  FileOfBytes(const FileOfBytes&) = delete;
  FileOfBytes& operator=(const FileOfBytes&) = delete;
  ~FileOfBytes() { std::filesystem::remove(path_); }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace

TEST_CASE("module abi: a file that is not a shared library is refused, with its path", "[node]") {
  const FileOfBytes text("#!/bin/sh\n");
  const auto abi = read_module_abi(text.path());
  REQUIRE_FALSE(abi.has_value());
  CHECK_THAT(abi.error(), Catch::Contains(text.path().string()) && Catch::Contains("not a shared library"));
  CHECK_FALSE(read_module_abi(FileOfBytes("").path()).has_value());
  CHECK_THAT(read_module_abi("/no/such/module.so").error(), Catch::Contains("No such file"));
}

TEST_CASE("module abi: damaged libraries are read without harm", "[node]") {
  std::ifstream self("/proc/self/exe", std::ios::binary);
  std::string bytes(64 * 1024, '\0');  // headers and the start of the tables
  self.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  const std::uint64_t seed = epic::test::make_seed();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  for (int round = 0; round < 200; ++round) {
    std::string damaged = bytes.substr(0, 64 + random() % (bytes.size() - 64));
    for (int flips = 0; flips < 8; ++flips)
      damaged[random() % std::min<std::size_t>(damaged.size(), 4096)] = static_cast<char>(random());
    CHECK_NOTHROW(static_cast<void>(read_module_abi(FileOfBytes(damaged).path())));
  }
}
