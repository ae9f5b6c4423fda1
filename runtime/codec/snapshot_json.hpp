#pragma once
// Stored bytes as JSON and back, by the schema that they were written with alone: no module is loaded, no type is
// known.
//
// `inspect` and `snapshot` read the store of a fabric that is down with this. The JSON is the same that a live entity
// gives.

#include <boost/json/value.hpp>
#include <cstddef>
#include <expected>
#include <memory>
#include <span>
#include <vector>

#include "codec/json_reader.hpp"
#include "codec/show_name.hpp"
#include "kernel/codec.hpp"
#include "reflect/schema.hpp"

namespace epic::codec {

class WireTypes;

/// Reads any number of snapshots of one schema: what depends on the schema alone is made once. One thread.
class SnapshotReader {
 public:
  explicit SnapshotReader(reflect::Schema schema, ShowName show_name = {});
  ~SnapshotReader();
  SnapshotReader(const SnapshotReader&) = delete;
  SnapshotReader& operator=(const SnapshotReader&) = delete;

  /// As the function below.
  [[nodiscard]] std::expected<boost::json::value, kernel::CodecError> to_json(std::span<const std::byte> bytes);
  [[nodiscard]] const reflect::Schema& schema() const { return schema_; }

 private:
  reflect::Schema schema_;
  ShowName show_name_;
  std::unique_ptr<WireTypes> types_;
};

/// Never reads outside `bytes` and never throws, whatever they hold.
[[nodiscard]] std::expected<boost::json::value, kernel::CodecError> to_json(const reflect::Schema& schema,
                                                                            std::span<const std::byte> bytes,
                                                                            const ShowName& show_name = {});

/// The bytes of CapnpCodec, read as `schema`. Fields that are left out are zero, empty or the first alternative. Never
/// throws.
[[nodiscard]] std::expected<std::vector<std::byte>, kernel::CodecError> from_json(
    const reflect::Schema& schema, const boost::json::value& json,
    UnknownFields unknown_fields = UnknownFields::refuse);

}  // namespace epic::codec
