#pragma once
// ArrivedArguments: what the calls of a broadcast from another node have in common, as it has come.
//
// Each call reads its own copy when its method starts. Calls that wait for their entity, or for its lock, take no
// memory for arguments: otherwise a message of some megabytes, which may make hundreds of calls, would take gigabytes
// at once.

#include <cstddef>
#include <expected>
#include <utility>
#include <vector>

#include "epic/call.hpp"
#include "kernel/codec.hpp"
#include "reflect/schema.hpp"

namespace epic::kernel {

class ArrivedArguments {
 public:
  ArrivedArguments(const Codec& codec, reflect::Schema written_with, std::vector<std::byte> bytes)
      : codec_(codec), written_with_(std::move(written_with)), bytes_(std::move(bytes)) {}

  /// Fills those of `call`, which has not started.
  [[nodiscard]] std::expected<void, CodecError> read_into(detail::CallRecord& call) const {
    return codec_.decode_sent(bytes_, written_with_, call.method->arguments(), call.arguments());
  }

 private:
  const Codec& codec_;
  reflect::Schema written_with_;
  std::vector<std::byte> bytes_;
};

}  // namespace epic::kernel
