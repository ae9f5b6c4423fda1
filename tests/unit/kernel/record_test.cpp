#include "kernel/record.hpp"

#include <boost/describe/class.hpp>
#include <catch2/catch.hpp>
#include <cstdint>
#include <epic/epic.hpp>
#include <vector>

#include "codec/capnp_codec.hpp"
#include "reflect/schema_of.hpp"

using namespace epic;
using namespace epic::kernel;

namespace {

bool is_record_test_moody = false;

/// Its constructor throws what no std::exception is.
struct Moody {
  Moody() {
    if (is_record_test_moody) throw 42;
  }
  std::int64_t value = 0;
};
BOOST_DESCRIBE_STRUCT(Moody, (), (value))

class MoodyOne : public Entity {
 public:
  Task<Moody> swap(Moody given) { co_return given; }
  Task<std::vector<Moody>> swap_all(std::vector<Moody> given) { co_return given; }
  EPIC_ENTITY(MoodyOne, methods(swap, swap_all))
};

struct InMood {
  InMood() { is_record_test_moody = true; }
  ~InMood() { is_record_test_moody = false; }
};

std::vector<std::byte> encode(const reflect::TypeInfo& type, const void* object) {
  std::vector<std::byte> bytes;
  codec::CapnpCodec().encode(type, object, bytes);
  return bytes;
}

}  // namespace

TEST_CASE("record: a parameter or result whose constructor throws anything is an error of the call", "[kernel]") {
  const codec::CapnpCodec codec;
  for (const char* name : {"swap", "swap_all"}) {
    INFO(name);
    const reflect::MethodInfo& method = *MoodyOne::epic_info().find_method(name);
    const std::vector<Moody> several(3);
    const Moody one;
    const bool is_list = method.name == "swap_all";
    const auto call = make_call(method);
    REQUIRE(call.has_value());
    const std::vector<std::byte> arguments = encode(method.arguments(), (*call)->arguments());
    const std::vector<std::byte> result =
        encode(method.result(), is_list ? static_cast<const void*>(&several) : static_cast<const void*>(&one));
    const reflect::Schema arguments_schema = reflect::schema_of(method.arguments());
    const reflect::Schema result_schema = reflect::schema_of(method.result());
    CHECK(make_call(method, codec, arguments, arguments_schema).has_value());
    CHECK(read_result(**call, codec, result, result_schema).has_value());

    const InMood mood;
    if (!is_list) {
      const auto made = make_call(method, codec, arguments, arguments_schema);
      REQUIRE_FALSE(made.has_value());
      CHECK(made.error().path == "its parameters");
      CHECK(made.error().what == "int, without a message");
    }
    const auto read = read_result(**call, codec, result, result_schema);
    REQUIRE_FALSE(read.has_value());
    CHECK(read.error().what == "int, without a message");
  }
}
