#pragma once
// ElfFile: a shared library for this machine, read as untrusted bytes. Nothing of it is run.
//
// Every offset and count in the file may be wrong: what lies outside of it is not there.

#include <elf.h>

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace epic::node {

class ElfFile {
 public:
  /// Empty if the bytes are not a shared library for this machine.
  [[nodiscard]] static std::optional<ElfFile> from(std::string bytes);

  struct Symbol {
    std::string_view name;
    std::uint64_t address;
    std::uint64_t size;
    bool is_defined;
    std::size_t section;  // its place in sections(), if it is defined in one
  };
  /// The symbols that other libraries may use, and those that this one takes from them.
  [[nodiscard]] std::vector<Symbol> dynamic_symbols() const { return symbols_in(SHT_DYNSYM); }
  /// All, if the file has not been stripped.
  [[nodiscard]] std::vector<Symbol> symbols() const { return symbols_in(SHT_SYMTAB); }

  struct Section {
    std::string_view name;
    bool is_writable;  // once the library has been loaded
  };
  [[nodiscard]] std::vector<Section> sections() const;
  /// The text that ends with a zero byte at this address of the loaded library; at most 256 bytes of it.
  [[nodiscard]] std::optional<std::string> text_of_address(std::uint64_t address) const;

 private:
  explicit ElfFile(std::string bytes, Elf64_Ehdr header) : bytes_(std::move(bytes)), header_(header) {}

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
  [[nodiscard]] std::vector<Symbol> symbols_in(Elf64_Word table_type) const;
  [[nodiscard]] std::string_view bytes_at(std::uint64_t offset, std::uint64_t size) const;
  [[nodiscard]] std::string_view text_at(std::uint64_t offset) const;

  std::string bytes_;
  Elf64_Ehdr header_;
};

}  // namespace epic::node
