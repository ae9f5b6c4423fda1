#include "kernel/errors.hpp"

#include <any>
#include <catch2/catch.hpp>
#include <expected>
#include <filesystem>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <system_error>
#include <typeinfo>
#include <variant>
#include <vector>

#include "kernel/limits.hpp"

using namespace epic;
using namespace epic::kernel;

namespace {

struct OutOfStock : std::runtime_error {
  using std::runtime_error::runtime_error;
};
struct Speechless : std::exception {
  [[nodiscard]] const char* what() const noexcept override { return nullptr; }
};
struct StoreClosed : Unavailable {
  using Unavailable::Unavailable;
};

struct Caught {
  std::string type;
  std::string text;
  bool operator==(const Caught&) const = default;
};

Caught look_at(const std::exception_ptr& exception) {
  try {
    std::rethrow_exception(exception);
  } catch (const CallFailed& error) {
    return {"CallFailed " + error.type_name(), error.what()};
  } catch (const std::exception& error) {
    return {typeid(error).name(), error.what()};
  }
}

/// As it arrives from another node.
std::exception_ptr send(const std::exception_ptr& thrown) {
  const ErrorPart part = describe_thrown(thrown);
  return make_exception(part.code, part.message, part.exception_type);
}

template <class Nearest, class E>
void check_arrives_as(const E& thrown) {
  const auto original = std::make_exception_ptr(thrown);
  const Caught local = look_at(as_received(original));
  INFO(typeid(E).name() << " arrives as " << local.type);
  CHECK(local == look_at(send(original)));
  CHECK(local == look_at(send(send(original))));
  CHECK(local.type == typeid(Nearest).name());
  CHECK(local.text == thrown.what());
}

template <class E>
void check_arrives_as_itself(const E& thrown) {
  check_arrives_as<E>(thrown);
}

}  // namespace

TEST_CASE("errors: a standard exception arrives as itself, here and from another node", "[kernel]") {
  check_arrives_as_itself(std::logic_error("a"));
  check_arrives_as_itself(std::invalid_argument("b"));
  check_arrives_as_itself(std::domain_error("c"));
  check_arrives_as_itself(std::length_error("d"));
  check_arrives_as_itself(std::out_of_range("e"));
  check_arrives_as_itself(std::runtime_error("\x01 i"));
  check_arrives_as_itself(std::range_error("f"));
  check_arrives_as_itself(std::overflow_error("g"));
  check_arrives_as_itself(std::underflow_error("h"));
  check_arrives_as_itself(std::bad_alloc());
  check_arrives_as_itself(std::bad_array_new_length());
  check_arrives_as_itself(std::bad_cast());
  check_arrives_as_itself(std::bad_any_cast());
  check_arrives_as_itself(std::bad_typeid());
  check_arrives_as_itself(std::bad_optional_access());
  check_arrives_as_itself(std::bad_variant_access());
  check_arrives_as_itself(std::bad_weak_ptr());
  check_arrives_as_itself(std::bad_function_call());
  check_arrives_as_itself(std::bad_exception());
  check_arrives_as_itself(std::exception());
}

TEST_CASE("errors: a standard exception that needs more than a text arrives as its nearest base", "[kernel]") {
  const auto code = std::make_error_code(std::errc::no_space_on_device);
  check_arrives_as<std::runtime_error>(std::system_error(code, "writing"));
  check_arrives_as<std::runtime_error>(std::filesystem::filesystem_error("copying", code));
  check_arrives_as<std::logic_error>(std::future_error(std::future_errc::no_state));
}

TEST_CASE("errors: the family arrives as itself", "[kernel]") {
  check_arrives_as_itself(Unavailable("a"));
  check_arrives_as_itself(Overloaded("b"));
  check_arrives_as_itself(Deadlock("c"));
  check_arrives_as_itself(Timeout("d"));
  check_arrives_as_itself(NodeLost("e"));
  check_arrives_as_itself(Interrupted("e"));
  check_arrives_as_itself(NoSuchType("f"));
  check_arrives_as_itself(NoSuchMethod("g"));
  check_arrives_as_itself(BadArguments("h"));
  check_arrives_as_itself(ActivationFailed("i"));
  check_arrives_as_itself(StateTooLarge("j"));
  check_arrives_as_itself(InternalError("k"));
}

TEST_CASE("errors: every other exception arrives as CallFailed with type and text", "[kernel]") {
  const auto check = [](const std::exception_ptr& thrown, const Caught& expected) {
    CHECK(look_at(as_received(thrown)) == expected);
    CHECK(look_at(send(thrown)) == expected);
    CHECK(look_at(send(send(thrown))) == expected);
  };
  check(std::make_exception_ptr(OutOfStock("no pears")), {"CallFailed (anonymous namespace)::OutOfStock", "no pears"});
  check(std::make_exception_ptr(StoreClosed("closed")), {"CallFailed (anonymous namespace)::StoreClosed", "closed"});
  check(std::make_exception_ptr(Speechless()),
        {"CallFailed (anonymous namespace)::Speechless", "(anonymous namespace)::Speechless, without a message"});
  // There is no standard class of this text that can be made anew.
  check(std::make_exception_ptr(std::bad_expected_access<int>(3)),
        {"CallFailed std::bad_expected_access<int>", std::bad_expected_access<int>(3).what()});
  check(std::make_exception_ptr(42), {"CallFailed int", "int, without a message"});
  check(std::make_exception_ptr("as C does"), {"CallFailed const char*", "as C does"});
  check(std::make_exception_ptr(static_cast<const char*>(nullptr)),
        {"CallFailed const char*", "const char*, without a message"});
  check(std::make_exception_ptr(std::string("as scripts do")), {"CallFailed std::string", "as scripts do"});
}

TEST_CASE("errors: a huge text is cut between two characters, and says how long it was", "[kernel]") {
  const auto thrown = std::make_exception_ptr(
      std::runtime_error(std::string(limits::kErrorTextBytesMax - 65, 'x') + "ü" + std::string(100, 'y')));
  for (const std::exception_ptr& received : {as_received(thrown), send(thrown), send(send(thrown))}) {
    const std::string text = look_at(received).text;
    CHECK(text.size() <= limits::kErrorTextBytesMax);
    CHECK_THAT(text, Catch::EndsWith("x… (65573 bytes in all)"));
  }
}

TEST_CASE("errors: a huge text that is not UTF-8 is truncated once, and says how long it was", "[kernel]") {
  const auto thrown = std::make_exception_ptr(std::runtime_error(std::string(30u << 20, '\xc3')));
  for (const std::exception_ptr& received :
       {as_received(thrown, "Cart/a.pay"), send(as_received(thrown, "Cart/a.pay"))}) {
    const std::string text = look_at(received).text;
    CHECK(text.size() <= limits::kErrorTextBytesMax);
    CHECK_THAT(text, Catch::StartsWith("Cart/a.pay threw std::runtime_error: ") &&
                         Catch::EndsWith("… (31457280 bytes in all)"));
  }
}

TEST_CASE("errors: an exception whose text nobody can read is shown with method and type", "[kernel]") {
  const auto shown = [](const auto& thrown) {
    const auto original = std::make_exception_ptr(thrown);
    const Caught received = look_at(as_received(original, "Cart/a.pay"));
    CHECK(received.type == typeid(thrown).name());
    const Caught again = look_at(send(as_received(original, "Cart/a.pay")));
    CHECK(again == received);
    return received.text;
  };
  for (const char* invisible : {"", " ", "\n\t", "\x01\x02", "\x7f", "\u0085", "\u200b", "\u202e"})
    CHECK(shown(std::invalid_argument(invisible)) == "Cart/a.pay threw std::invalid_argument");
  CHECK(shown(std::runtime_error("caf\xe9")) == "Cart/a.pay threw std::runtime_error: caf\uFFFD");
  CHECK(shown(Unavailable("")) == "Cart/a.pay threw epic::Unavailable");
  CHECK(shown(std::runtime_error("\x01 x")) == "\x01 x");
  CHECK(look_at(as_received(std::make_exception_ptr(42), "Cart/a.pay")).text == "Cart/a.pay threw int");
  CHECK(describe_thrown(std::make_exception_ptr(std::logic_error("\xff"))).message == "\uFFFD");
}
