#pragma once
// A schema as a .capnp file, so that tools in any language can read what CapnpCodec writes:
//
//     capnp decode player.capnp Player < message
//
// Cap'n Proto requires camelCase names and has no optional, map or tuple. So names are converted (with the original in
// a comment if it differs), and each of these types becomes a struct.

#include <string>

#include "reflect/schema.hpp"

namespace epic::codec {

/// Describes exactly the bytes that CapnpCodec writes for `schema`.
[[nodiscard]] std::string to_capnp_text(const reflect::Schema& schema);

/// The struct in that text that is the root of a message.
[[nodiscard]] std::string capnp_root_name(const reflect::Schema& schema);

}  // namespace epic::codec
