#include "codec/capnp_text.hpp"

#include <sys/wait.h>

#include <array>
#include <catch2/catch.hpp>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "codec/capnp_codec.hpp"
#include "reflect/schema_of.hpp"
#include "support/sample_types.hpp"
#include "support/temp_dir.hpp"

using namespace epic::reflect;

namespace {

void write_file(const std::filesystem::path& path, std::span<const std::byte> bytes) {
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

std::string output_of(const std::string& command) {
  FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::string output;
  std::array<char, 4096> buffer;
  while (const std::size_t count = fread(buffer.data(), 1, buffer.size(), pipe)) output.append(buffer.data(), count);
  const int status = pclose(pipe);
  INFO(command << "\n" << output);
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  return output;
}

template <class T>
struct Messages {
  const epic::test::TempDir folder;
  Schema schema = schema_of(type_of<T>());
  [[nodiscard]] std::string in_folder(const std::string& command) const {
    return output_of("cd '" + folder.path().string() + "' && " + command);
  }
  [[nodiscard]] std::string tool(const std::string& verb) const {
    return "capnp " + verb + " schema.capnp " + epic::codec::capnp_root_name(schema);
  }
  explicit Messages(const T& value) {
    std::vector<std::byte> bytes;
    epic::codec::CapnpCodec().encode(type_of<T>(), &value, bytes);
    write_file(folder.path() / "message", bytes);
    const std::string text = epic::codec::to_capnp_text(schema);
    write_file(folder.path() / "schema.capnp", std::as_bytes(std::span(text)));
  }
  /// The message as decoded by the capnp tool.
  [[nodiscard]] std::string decoded() const { return in_folder(tool("decode --short") + " < message"); }
  /// The message decoded and encoded again by the capnp tool.
  T recoded() const {
    CHECK(in_folder(tool("decode") + " < message > text && " + tool("encode") + " < text > again").empty());
    std::ifstream file(folder.path() / "again", std::ios::binary);
    const std::string content(std::istreambuf_iterator<char>(file), {});
    T value{};
    const auto read = epic::codec::CapnpCodec().decode(std::as_bytes(std::span(content)), schema, type_of<T>(), &value);
    INFO((read ? std::string() : read.error().path + ": " + read.error().what));
    REQUIRE(read.has_value());
    return value;
  }
};

struct Awkward {
  int snake_case_name = 0;
  int snakeCaseName = 0;
  bool union_ = false;
  int in = 0;
  std::map<int, std::optional<bool>> index;
  std::variant<int, int> either;
};
BOOST_DESCRIBE_STRUCT(Awkward, (), (snake_case_name, snakeCaseName, union_, in, index, either))

/// Each hole is split, and its remainder is used.
struct Holes {
  std::int32_t a = 0;
  std::int8_t b = 0;
  std::int8_t c = 0;
  bool d = false;
  std::int16_t e = 0;
  bool f = false;
  std::int64_t g = 0;
  std::int16_t h = 0;
};
BOOST_DESCRIBE_STRUCT(Holes, (), (a, b, c, d, e, f, g, h))

}  // namespace

TEST_CASE("capnp text: the capnp tool finds members in the holes that others leave", "[codec]") {
  CHECK(Messages<Holes>({.a = 1, .b = 2, .c = 3, .d = true, .e = 4, .f = true, .g = 5, .h = 6}).decoded() ==
        "(a = 1, b = 2, c = 3, d = true, e = 4, f = true, g = 5, h = 6)\n");
}

TEST_CASE("capnp text: the capnp tool decodes what the codec writes", "[codec]") {
  const Messages<Awkward> messages({.snake_case_name = 1,
                                    .snakeCaseName = 2,
                                    .union_ = true,
                                    .in = 3,
                                    .index = {{7, true}, {8, std::nullopt}},
                                    .either = std::variant<int, int>(std::in_place_index<1>, 9)});
  CHECK(messages.decoded() ==
        "(snakeCaseName = 1, snakeCaseName2 = 2, unionField = true, inField = 3, "
        "index = [(key = 7, value = (has = true, value = true)), (key = 8)], "
        "either = (index = 1, int32 = 0, int322 = 9))\n");
}

TEST_CASE("capnp text: every kind survives the capnp tool, there and back", "[codec]") {
  const Messages<sample::Everything> messages(sample::everything());
  CHECK(messages.recoded() == sample::everything());
}

TEST_CASE("capnp text: a root that is no struct is wrapped", "[codec]") {
  CHECK(Messages<std::vector<std::int16_t>>({1, -2}).decoded() == "(value = [1, -2])\n");
  CHECK(Messages<double>(0.5).decoded() == "(value = 0.5)\n");
}

TEST_CASE("capnp text: names are converted, and originals kept in comments", "[codec]") {
  const std::string text = epic::codec::to_capnp_text(schema_of(type_of<sample::Everything>()));
  CHECK_THAT(text, Catch::Contains("\nstruct Everything {  # sample::Everything\n  flag @0 :Bool;\n"));
  CHECK_THAT(text, Catch::Contains("seenAt @17 :Time;  # seen_at\n"));
  CHECK_THAT(text, Catch::Contains("\nusing Color = Int64;  # red = 0, green = 5, blue = -3\n"));
}
