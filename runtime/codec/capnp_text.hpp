#pragma once
// A schema as a .capnp file, so that tools of any language can read what CapnpCodec writes:
//
//     capnp decode player.capnp Player < message
//
// Cap'n Proto wants names in camelCase and has neither optional, map nor tuple: names are converted (the original
// stands in a comment where it differs), and each of these becomes a struct of its own.

#include <string>

#include "reflect/schema.hpp"

namespace epic::codec {

/// Describes exactly the bytes that CapnpCodec writes for `schema`.
[[nodiscard]] std::string to_capnp_text(const reflect::Schema& schema);

/// The struct in that text which is the root of a message.
[[nodiscard]] std::string capnp_root_name(const reflect::Schema& schema);

}  // namespace epic::codec
