# SPDX-License-Identifier: Apache-2.0
culvert_unit_test(config_test SOURCES unit/config_test.cc USES config)
