#include "node/module_abi.hpp"

#include <elf.h>
#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace epic::node {

namespace {

constexpr std::size_t kAbiBytesMax = 256;
constexpr std::string_view kSymbol = "epic_module_abi";

/// An ELF file for this machine, as untrusted bytes.
class ElfFile {
 public:
  explicit ElfFile(std::vector<char> bytes) : bytes_(std::move(bytes)) {}

  [[nodiscard]] bool is_shared_library() const {
    const auto header = find<Elf64_Ehdr>(0);
    return header && std::memcmp(header->e_ident, ELFMAG, SELFMAG) == 0 && header->e_ident[EI_CLASS] == ELFCLASS64 &&
           header->e_type == ET_DYN && header->e_machine == kMachine;
  }

  /// The text at the dynamic symbol `name`.
  [[nodiscard]] std::optional<std::string> find_text(std::string_view name) const {
    for (const Elf64_Shdr& section : table<Elf64_Shdr>(header().e_shoff, header().e_shnum)) {
      if (section.sh_type != SHT_DYNSYM) continue;
      const auto names = find<Elf64_Shdr>(header().e_shoff + section.sh_link * sizeof(Elf64_Shdr));
      if (!names) continue;
      for (const Elf64_Sym& symbol : table<Elf64_Sym>(section.sh_offset, section.sh_size / sizeof(Elf64_Sym)))
        if (symbol.st_shndx != SHN_UNDEF && text_at(names->sh_offset + symbol.st_name) == name)
          return text_of_address(symbol.st_value);
    }
    return std::nullopt;
  }

 private:
#if defined(__x86_64__)
  static constexpr Elf64_Half kMachine = EM_X86_64;
#elif defined(__aarch64__)
  static constexpr Elf64_Half kMachine = EM_AARCH64;
#endif

  [[nodiscard]] Elf64_Ehdr header() const { return *find<Elf64_Ehdr>(0); }

  template <class T>
  [[nodiscard]] std::optional<T> find(std::uint64_t offset) const {
    if (offset > bytes_.size() || bytes_.size() - offset < sizeof(T)) return std::nullopt;
    T value;
    std::memcpy(&value, bytes_.data() + offset, sizeof(T));
    return value;
  }

  /// As many entries as really exist.
  template <class T>
  [[nodiscard]] std::vector<T> table(std::uint64_t offset, std::uint64_t count) const {
    std::vector<T> entries;
    for (std::uint64_t i = 0; i < count; ++i) {
      const auto entry = find<T>(offset + i * sizeof(T));
      if (!entry) break;
      entries.push_back(*entry);
    }
    return entries;
  }

  [[nodiscard]] std::string text_at(std::uint64_t offset) const {
    if (offset >= bytes_.size()) return {};
    const char* begin = bytes_.data() + offset;
    return {begin, ::strnlen(begin, std::min<std::size_t>(bytes_.size() - offset, kAbiBytesMax))};
  }

  [[nodiscard]] std::optional<std::string> text_of_address(std::uint64_t address) const {
    for (const Elf64_Phdr& segment : table<Elf64_Phdr>(header().e_phoff, header().e_phnum))
      if (segment.p_type == PT_LOAD && address >= segment.p_vaddr && address - segment.p_vaddr < segment.p_filesz)
        return text_at(segment.p_offset + (address - segment.p_vaddr));
    return std::nullopt;
  }

  std::vector<char> bytes_;
};

}  // namespace

std::expected<std::string, std::string> read_module_abi(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::unexpected(fmt::format("cannot read the module {}: {}", path.string(), std::strerror(errno)));
  const ElfFile elf{std::vector<char>(std::istreambuf_iterator<char>(file), {})};
  if (!elf.is_shared_library())
    return std::unexpected(fmt::format("{} is not a shared library for this machine", path.string()));
  auto abi = elf.find_text(kSymbol);
  if (!abi) return std::unexpected(fmt::format("{} is not an epic module: it has no EPIC_MODULE(…)", path.string()));
  return *abi;
}

}  // namespace epic::node
