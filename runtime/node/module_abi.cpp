#include "node/module_abi.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <string_view>
#include <system_error>

#include "node/elf_file.hpp"

namespace epic::node {

namespace {

constexpr std::string_view kSymbol = "epic_module_abi";

/// In one read: character by character it would be half of the time that a node needs to start.
std::string read_all(std::ifstream& file, const std::filesystem::path& path) {
  std::error_code error;
  const std::uintmax_t size = std::filesystem::file_size(path, error);
  std::string bytes;
  if (error) return bytes;
  bytes.resize_and_overwrite(size, [&](char* room, std::size_t count) {
    file.read(room, static_cast<std::streamsize>(count));
    return static_cast<std::size_t>(file.gcount());
  });
  return bytes;
}

}  // namespace

std::expected<std::string, std::string> read_module_abi(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::unexpected(fmt::format("cannot read the module {}: {}", path.string(), std::strerror(errno)));
  const auto elf = ElfFile::from(read_all(file, path));
  if (!elf) return std::unexpected(fmt::format("{} is not a shared library for this machine", path.string()));
  auto abi = find_module_abi(*elf);
  if (!abi) return std::unexpected(fmt::format("{} is not an epic module: it has no EPIC_MODULE(…)", path.string()));
  return *abi;
}

std::optional<std::string> find_module_abi(const ElfFile& module) {
  for (const ElfFile::Symbol& symbol : module.dynamic_symbols())
    if (symbol.is_defined && symbol.name == kSymbol) return module.text_of_address(symbol.address);
  return std::nullopt;
}

}  // namespace epic::node
