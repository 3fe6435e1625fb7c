# SPDX-License-Identifier: Apache-2.0
culvert_unit_test(yaml_test SOURCES unit/yaml_test.cc USES yaml)
