# Install and export: find_package(epic CONFIG) then gives epic::runtime, epic::cluster and epic_add_module().
