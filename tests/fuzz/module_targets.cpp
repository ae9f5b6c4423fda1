#include <boost/json/value.hpp>

#include "cli/project/catalog.hpp"
#include "cli/project/stored_name_check.hpp"
#include "fuzz/target.hpp"
#include "kernel/type_table.hpp"
#include "node/elf_file.hpp"
#include "node/module_abi.hpp"
#include "protocol/json.hpp"

namespace epic::fuzz {
namespace {

/// A module's file, before it is loaded.
void module_files(std::span<const std::byte> input) {
  const auto elf = node::ElfFile::from(std::string(text_of(input)));
  if (!elf) return;
  (void)node::find_module_abi(*elf);
  (void)elf->symbols();
  (void)elf->sections();
}

/// A small shared library for this machine: a header and nothing else.
std::vector<Bytes> file_examples() {
#if defined(__x86_64__)
  constexpr Elf64_Half kMachine = EM_X86_64;
#elif defined(__aarch64__)
  constexpr Elf64_Half kMachine = EM_AARCH64;
#endif
  struct {
    Elf64_Ehdr header{};
    Elf64_Phdr segment{};
    Elf64_Sym symbols[2]{};
    char names[64] = "\0epic_module_abi\0.dynsym\0.dynstr\0epic 0.1 abi";
    Elf64_Shdr sections[3]{};
  } file;
  constexpr std::size_t kNames = offsetof(decltype(file), names);
  std::memcpy(file.header.e_ident, ELFMAG, SELFMAG);
  file.header.e_ident[EI_CLASS] = ELFCLASS64;
  file.header.e_type = ET_DYN;
  file.header.e_machine = kMachine;
  file.header.e_phoff = offsetof(decltype(file), segment);
  file.header.e_phnum = 1;
  file.header.e_shoff = offsetof(decltype(file), sections);
  file.header.e_shnum = 3;
  file.header.e_shstrndx = 2;
  file.segment.p_type = PT_LOAD;
  file.segment.p_filesz = sizeof file;
  file.symbols[1].st_name = 1;
  file.symbols[1].st_shndx = 2;
  file.symbols[1].st_value = kNames + 33;
  file.sections[1].sh_name = 17;
  file.sections[1].sh_type = SHT_DYNSYM;
  file.sections[1].sh_offset = offsetof(decltype(file), symbols);
  file.sections[1].sh_size = sizeof file.symbols;
  file.sections[1].sh_link = 2;
  file.sections[2].sh_name = 25;
  file.sections[2].sh_type = SHT_STRTAB;
  file.sections[2].sh_offset = kNames;
  file.sections[2].sh_size = sizeof file.names;
  require(node::find_module_abi(*node::ElfFile::from(std::string(reinterpret_cast<const char*>(&file), sizeof file))) ==
          "epic 0.1 abi");
  return {bytes_of({reinterpret_cast<const char*>(&file), sizeof file})};
}

/// What `epic-node --describe` printed, of two versions of a module, one on each line; and the same as a peer's table.
void module_tables(std::span<const std::byte> input) {
  const std::string_view text = text_of(input);
  const std::size_t end = std::min(text.find('\n'), text.size());
  const auto former = protocol::parse_json(text.substr(0, end));
  const auto present = protocol::parse_json(text.substr(std::min(end + 1, text.size())));
  if (!former) return;
  const cli::Catalog catalog = cli::catalog_from(*former);
  std::vector<kernel::MethodEntry> methods;
  for (const cli::TypeEntry& type : catalog.types) {
    require(catalog.find(type.type) != nullptr);
    (void)catalog.shown(catalog.stored_name(type.type) + "/key");
    for (const cli::MethodEntry& method : type.methods)
      methods.push_back(
          {.type = type.type, .method = method.name, .arguments_schema = type.schema, .result_schema = ""});
  }
  require(kernel::TypeTable().resolve(methods).methods.size() == methods.size());
  if (!present) return;
  for (const auto& disagreement : cli::find_stored_name_disagreements(*former, *present))
    (void)cli::describe(disagreement);
}

constexpr Target kModuleTargets[] = {
    {"module-files", module_files, file_examples},
    {"module-tables", module_tables, no_examples},
};

}  // namespace

std::span<const Target> module_targets() { return kModuleTargets; }

}  // namespace epic::fuzz
