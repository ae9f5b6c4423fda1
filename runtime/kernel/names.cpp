// Names of entities: made and checked in one place, for modules, peers and the CLI. On a node, a name that was typed by
// a person ("Player/Bob") becomes the one that places and stores the entity.

#include <fmt/format.h>

#include <algorithm>
#include <new>
#include <stdexcept>

#include "epic/call.hpp"
#include "epic/ref.hpp"
#include "kernel/kernel.hpp"
#include "kernel/limits.hpp"
#include "reflect/utf8.hpp"

namespace epic::detail {

namespace {

/// Empty if the parts make a valid name.
std::string why_no_name(std::string_view type, std::string_view key) {
  if (type.empty() || type.size() > kernel::limits::kTypeNameBytesMax) return "the type's name is empty or too long";
  if (key.empty()) return "the key is empty";
  if (key.size() > kernel::limits::kKeyBytesMax)
    return fmt::format("the key has {} bytes, and the limit is {}", key.size(), kernel::limits::kKeyBytesMax);
  for (const char c : key)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return "the key contains a control character";
  if (!reflect::is_utf8(key)) return "the key is not UTF-8: encode binary data in base64 or hex";
  return {};
}

static_assert(std::is_trivially_destructible_v<EntityName>);  // NamePtr only frees the memory

NamePtr build(std::string_view type, std::string_view key) {
  const std::size_t text_bytes = type.size() + 1 + key.size();
  void* const block = ::operator new(sizeof(EntityName) + text_bytes);
  char* const text = static_cast<char*>(block) + sizeof(EntityName);
  *std::ranges::copy(type, text).out = '/';
  std::ranges::copy(key, text + type.size() + 1);
  return NamePtr(new (block) EntityName{.type_length = static_cast<std::uint16_t>(type.size()),
                                        .is_local = kernel::Kernel::current_kernel() != nullptr,
                                        .text = {text, text_bytes}});
}

}  // namespace

NamePtr make_name(std::string_view type, std::string_view key) {
  if (const std::string why = why_no_name(type, key); !why.empty())
    throw std::invalid_argument(
        fmt::format("epic: '{}/{}' is not a valid entity name: {}", type, key.substr(0, 80), why));
  return build(type, key);
}

NamePtr parse_name(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return {};
  std::string_view type = text.substr(0, slash);
  const std::string_view key = text.substr(slash + 1);
  if (kernel::Kernel* here = kernel::Kernel::current_kernel()) type = here->types().stored_name(type);
  return why_no_name(type, key).empty() ? build(type, key) : NamePtr();
}

NamePtr parse_name(std::string_view text, const reflect::EntityInfo* expected) {
  NamePtr name = parse_name(text);
  if (!name || expected == nullptr || name->type() == expected->stored_name()) return name;
  kernel::Kernel* const here = kernel::Kernel::current_kernel();
  if (here == nullptr) return name;  // a client: it does not know every class, and the node that is called checks
  const kernel::TypeEntry* const named = here->types().find(name->type());
  return named != nullptr && named->info->is_a(*expected) ? name : NamePtr();
}

void throw_empty_ref(std::string_view method) {
  throw std::logic_error(fmt::format("epic: '{}' was called on a Ref that names no entity", method));
}

}  // namespace epic::detail
