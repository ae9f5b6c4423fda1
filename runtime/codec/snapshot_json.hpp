#pragma once
// Converts stored bytes to JSON using only the schema that they were written with: no module is loaded and no type is
// known.
//
// With this, `inspect` and `snapshot` read the store of a fabric that is down. The JSON is the same as that of a live
// entity.

#include <boost/json/value.hpp>
#include <cstddef>
#include <expected>
#include <memory>
#include <span>

#include "codec/show_name.hpp"
#include "kernel/codec.hpp"
#include "reflect/schema.hpp"

namespace epic::codec {

class WireTypes;

/// Reads any number of snapshots of one schema; what depends only on the schema is made once. Single-threaded.
class SnapshotReader {
 public:
  explicit SnapshotReader(reflect::Schema schema, ShowName show_name = {});
  ~SnapshotReader();
  SnapshotReader(const SnapshotReader&) = delete;
  SnapshotReader& operator=(const SnapshotReader&) = delete;

  /// Like the function below.
  [[nodiscard]] std::expected<boost::json::value, kernel::CodecError> to_json(std::span<const std::byte> bytes);
  [[nodiscard]] const reflect::Schema& schema() const { return schema_; }

 private:
  reflect::Schema schema_;
  ShowName show_name_;
  std::unique_ptr<WireTypes> types_;
};

/// Never reads outside `bytes` and never throws, whatever they contain.
[[nodiscard]] std::expected<boost::json::value, kernel::CodecError> to_json(const reflect::Schema& schema,
                                                                            std::span<const std::byte> bytes,
                                                                            const ShowName& show_name = {});

}  // namespace epic::codec
