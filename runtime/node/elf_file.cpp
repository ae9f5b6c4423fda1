#include "node/elf_file.hpp"

#include <algorithm>

namespace epic::node {

namespace {

#if defined(__x86_64__)
constexpr Elf64_Half kMachine = EM_X86_64;
#elif defined(__aarch64__)
constexpr Elf64_Half kMachine = EM_AARCH64;
#endif
constexpr std::size_t kTextBytesMax = 256;

}  // namespace

std::optional<ElfFile> ElfFile::from(std::string bytes) {
  Elf64_Ehdr header;
  if (bytes.size() < sizeof header) return std::nullopt;
  std::memcpy(&header, bytes.data(), sizeof header);
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64 ||
      header.e_type != ET_DYN || header.e_machine != kMachine)
    return std::nullopt;
  return ElfFile(std::move(bytes), header);
}

std::vector<ElfFile::Symbol> ElfFile::symbols_in(Elf64_Word table_type) const {
  std::vector<Symbol> symbols;
  for (const Elf64_Shdr& section : table<Elf64_Shdr>(header_.e_shoff, header_.e_shnum)) {
    if (section.sh_type != table_type) continue;
    const auto names = find<Elf64_Shdr>(header_.e_shoff + section.sh_link * sizeof(Elf64_Shdr));
    if (!names) continue;
    const std::string_view text = bytes_at(names->sh_offset, names->sh_size);
    for (const Elf64_Sym& symbol : table<Elf64_Sym>(section.sh_offset, section.sh_size / sizeof(Elf64_Sym))) {
      const std::string_view name = text.substr(std::min<std::size_t>(symbol.st_name, text.size()));
      symbols.push_back({.name = name.substr(0, name.find('\0')),
                         .address = symbol.st_value,
                         .size = symbol.st_size,
                         .is_defined = symbol.st_shndx != SHN_UNDEF,
                         .section = symbol.st_shndx});
    }
  }
  return symbols;
}

std::vector<ElfFile::Section> ElfFile::sections() const {
  const auto headers = table<Elf64_Shdr>(header_.e_shoff, header_.e_shnum);
  const std::uint64_t names = header_.e_shstrndx < headers.size() ? headers[header_.e_shstrndx].sh_offset : UINT64_MAX;
  std::vector<Section> sections;
  for (const Elf64_Shdr& header : headers) {
    const std::string_view name = text_at(names + header.sh_name);
    const bool is_writable = (header.sh_flags & SHF_WRITE) != 0;
    sections.push_back({.name = name, .is_writable = is_writable && !name.starts_with(".data.rel.ro")});
  }
  return sections;
}

std::optional<std::string> ElfFile::text_of_address(std::uint64_t address) const {
  for (const Elf64_Phdr& segment : table<Elf64_Phdr>(header_.e_phoff, header_.e_phnum))
    if (segment.p_type == PT_LOAD && address >= segment.p_vaddr && address - segment.p_vaddr < segment.p_filesz)
      return std::string(text_at(segment.p_offset + (address - segment.p_vaddr)));
  return std::nullopt;
}

std::string_view ElfFile::bytes_at(std::uint64_t offset, std::uint64_t size) const {
  if (offset > bytes_.size()) return {};
  return std::string_view(bytes_).substr(offset, size);
}

std::string_view ElfFile::text_at(std::uint64_t offset) const {
  const std::string_view text = bytes_at(offset, kTextBytesMax);
  return text.substr(0, text.find('\0'));
}

}  // namespace epic::node
