#include "cli/project/machine_address.hpp"

#include <catch2/catch.hpp>

using namespace epic::cli;

TEST_CASE("machine address: a host with or without a port", "[cli]") {
  CHECK(parse_machine_address("10.0.0.1") == MachineAddress{"10.0.0.1", 7420});
  CHECK(parse_machine_address("db-1.example:7500") == MachineAddress{"db-1.example", 7500});
  CHECK(parse_machine_address("[fd00::3]:7500") == MachineAddress{"fd00::3", 7500});
  CHECK(parse_machine_address("[fd00::3]") == MachineAddress{"fd00::3", 7420});
  CHECK(parse_machine_address("fd00::3") == MachineAddress{"fd00::3", 7420});
}

TEST_CASE("machine address: what is none is refused", "[cli]") {
  for (const char* text : {"", ":7420", "../arena", "a b", "host:", "host:x", "host:-1", "host:0", "host:70000",
                           "host:65436", "[fd00::3", "[fd00::3]7420", "[]:1", "[fd00::3]:"})
    CHECK_FALSE(parse_machine_address(text).has_value());
}

TEST_CASE("machine address: only who listens may leave the choice of the port to the system", "[cli]") {
  CHECK(parse_listen_address("127.0.0.1:0") == MachineAddress{"127.0.0.1", 0});
  CHECK(parse_machine_address("127.0.0.1:0").error() == "its port must be a number from 1 to 65435");
}

TEST_CASE("machine address: a machine listens at an address of its own that others can connect to", "[cli]") {
  CHECK(find_own_address("127.0.0.1") == "127.0.0.1");
  for (const std::string other : {"0.0.0.0", "::", "224.0.0.1", "ff02::1", "255.255.255.255"})
    CHECK(find_own_address(other).error() == other + " is not an address that other machines can connect to");
  CHECK(find_own_address("192.0.2.1").error() == "192.0.2.1 is not an address of this machine");
}
