// What a module compiled against the public headers and a node must agree on.

#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <epic/epic.hpp>
#include <epic/version.hpp>

using namespace epic;

TEST_CASE("abi: a change of the tables or records raises EPIC_ABI_TAG, and these numbers", "[reflect]") {
  CHECK(fmt::format(
            "{}: TypeInfo {}, FieldInfo {}, MethodInfo {}, EntityInfo {}, ModuleInfo {}, CallRecord {}, Waiter {}, "
            "EntityName {}, Entity {}",
            EPIC_ABI_TAG, sizeof(reflect::TypeInfo), sizeof(reflect::FieldInfo), sizeof(reflect::MethodInfo),
            sizeof(reflect::EntityInfo), sizeof(ModuleInfo), sizeof(detail::CallRecord), sizeof(detail::Waiter),
            sizeof(detail::EntityName), sizeof(Entity)) ==
        "epic-0.1.0-abi-16: TypeInfo 360, FieldInfo 48, MethodInfo 64, EntityInfo 640, ModuleInfo 32, CallRecord 128, "
        "Waiter 32, "
        "EntityName 40, Entity 16");
}
