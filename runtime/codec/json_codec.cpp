#include "codec/json_codec.hpp"

#include <fmt/format.h>

#include <exception>

#include "codec/json_writer.hpp"
#include "codec/object_json.hpp"
#include "kernel/errors.hpp"
#include "protocol/json.hpp"

namespace epic::codec {

boost::json::value to_json(const reflect::TypeInfo& type, const void* object, const ShowName& show_name) {
  LabelCache labels;
  return JsonWriter<ObjectView>(show_name).write(ObjectView(type, object, labels));
}

std::expected<void, kernel::CodecError> from_json(const boost::json::value& json, const reflect::TypeInfo& type,
                                                  void* object, UnknownFields unknown_fields,
                                                  std::size_t* ignored_count) {
  LabelCache labels;
  JsonReader<ObjectSink> reader(unknown_fields);
  try {
    auto read = reader.read(json, ObjectSink(type, object, labels));
    if (ignored_count != nullptr) *ignored_count += reader.ignored_count();
    return read;
  } catch (...) {  // the user's own constructor, comparison or hash
    return std::unexpected(kernel::CodecError{.path = reader.error().path,
                                              .what = kernel::describe_failure(std::current_exception()).message});
  }
}

std::expected<void, std::string> arguments_from_json(const boost::json::array& arguments,
                                                     const reflect::TypeInfo& method_arguments, void* object) {
  const std::size_t count = method_arguments.fields.size();
  if (arguments.size() != count) {
    std::string types;
    for (const auto& field : method_arguments.fields)
      types += fmt::format("{}{}{}{}", types.empty() ? "" : ", ", field.name, field.name.empty() ? "" : ": ",
                           reflect::type_text(field.type()));
    return std::unexpected(fmt::format("takes {} argument{}{}, got {}", count == 0 ? "no" : fmt::format("{}", count),
                                       count == 1 ? "" : "s", types.empty() ? "" : " (" + types + ")",
                                       arguments.size()));
  }
  for (std::size_t i = 0; i < count; ++i) {
    const reflect::FieldInfo& field = method_arguments.fields[i];
    if (const auto read = from_json(arguments[i], field.type(), field.get(object)); !read) {
      const auto& [path, what] = read.error();
      const std::string name = field.name.empty() ? "" : fmt::format(" ({})", field.name);
      return std::unexpected(fmt::format("argument {}{}{}{}: {}", i + 1, name, path.empty() ? "" : ", ", path, what));
    }
  }
  return {};
}

void JsonCodec::encode(const reflect::TypeInfo& type, const void* object, std::vector<std::byte>& out) const {
  const std::string text = protocol::print_json(to_json(type, object));
  const auto bytes = std::as_bytes(std::span(text));
  out.insert(out.end(), bytes.begin(), bytes.end());
}

std::expected<void, kernel::CodecError> JsonCodec::decode(std::span<const std::byte> bytes, const reflect::Schema&,
                                                          const reflect::TypeInfo& type, void* object) const {
  const auto json = protocol::parse_json({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  if (!json) return std::unexpected(kernel::CodecError{.path = {}, .what = json.error()});
  return from_json(*json, type, object, UnknownFields::ignore);
}

}  // namespace epic::codec
