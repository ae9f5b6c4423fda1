#include "codec/snapshot_json.hpp"

#include <fmt/format.h>

#include <exception>
#include <span>

#include "codec/json_writer.hpp"
#include "codec/limits.hpp"
#include "codec/wire_json.hpp"
#include "reflect/try.hpp"

namespace epic::codec {

SnapshotReader::SnapshotReader(reflect::Schema schema, ShowName show_name)
    : schema_(std::move(schema)), show_name_(std::move(show_name)) {}
SnapshotReader::~SnapshotReader() = default;

std::expected<boost::json::value, kernel::CodecError> SnapshotReader::to_json(std::span<const std::byte> bytes) {
  const auto damaged = [](std::string what) {
    return std::unexpected(kernel::CodecError{.path = {}, .what = "the bytes are damaged: " + std::move(what)});
  };
  if (std::string problem = message_problem(bytes); !problem.empty())
    return std::unexpected(kernel::CodecError{.path = {}, .what = std::move(problem)});
  constexpr std::size_t kVisitsPerWord = 8;  // the writer looks at keys and refs several times
  WireReader message;
  WireReader::Place root;
  if (!message.open(bytes, root, kVisitsPerWord)) return damaged(message.problem());
  if (!types_) types_ = std::make_unique<WireTypes>(schema_);
  types_->begin(message);
  try {
    return JsonWriter<WireView>(show_name_).write(WireView::of_root(*types_, root));
  } catch (const std::exception& error) {
    return damaged(error.what());
  }
}

std::expected<boost::json::value, kernel::CodecError> to_json(const reflect::Schema& schema,
                                                              std::span<const std::byte> bytes,
                                                              const ShowName& show_name) {
  return SnapshotReader(schema, show_name).to_json(bytes);
}

}  // namespace epic::codec
