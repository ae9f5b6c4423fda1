#pragma once
// Writes values into Cap'n Proto messages by their type tables: the encoding half of capnp_codec.hpp.

#include <memory>
#include <unordered_map>
#include <vector>

#include "codec/wire_layout.hpp"
#include "epic/type_info.hpp"
#include "wire/capnp.hpp"

namespace epic::codec {

/// How values of one type are written; made once per type.
struct WritePlan {
  const reflect::TypeInfo* type = nullptr;
  SlotSize slot = SlotSize::pointer;    // the slot of a value in the enclosing struct
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

/// Makes `object` the root of a message. A type that is not a struct on the wire is wrapped in one. Throws
/// std::length_error for values beyond the limits of Cap'n Proto or kValueDepthMax; never kj::Exception.
void write_root(const WritePlan& plan, const void* object, capnp::AnyPointer::Builder root);

}  // namespace epic::codec
