#pragma once
// Writes values as Cap'n Proto messages by their type tables: the encoding half of capnp_codec.hpp.
//
// A message is a single segment that is appended to the output as it grows, so nothing is copied twice. The layout is
// that of https://capnproto.org/encoding.html; objects follow in the order of their pointers.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "codec/wire_layout.hpp"
#include "epic/type_info.hpp"

namespace epic::codec {

/// How values of one type are written; made once per type.
struct WritePlan {
  const reflect::TypeInfo* type = nullptr;
  SlotSize slot = SlotSize::pointer;    // the slot of a value in the enclosing struct
  std::uint8_t plain_bytes = 0;         // if not 0: the size of a number that is copied unchanged
  StructLayout body;                    // is_struct(): its own struct; a map: that of an entry
  std::vector<const WritePlan*> parts;  // fields, alternatives, element; key and value
};

/// Plans by the address of the table: tables are immutable and live as long as the process.
class WritePlans {
 public:
  [[nodiscard]] const WritePlan& get(const reflect::TypeInfo& type);

 private:
  std::unordered_map<const reflect::TypeInfo*, std::unique_ptr<WritePlan>> plans_;
};

/// What happens to the empty pointers at the end of a struct. Readers treat missing pointers as empty, so messages omit
/// them: a field that nobody uses costs nothing. State keeps them, so that equal states keep equal bytes.
enum class EmptyTail : std::uint8_t { kept, cut };

/// Appends `object` as a message. A type that is not a struct on the wire is wrapped in one. Throws std::length_error
/// for values beyond the limits of Cap'n Proto or kValueDepthMax; `out` is then unchanged.
void write_message(const WritePlan& plan, const void* object, EmptyTail tail, std::vector<std::byte>& out);

}  // namespace epic::codec
