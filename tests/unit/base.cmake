# SPDX-License-Identifier: Apache-2.0
culvert_unit_test(base_test SOURCES unit/base_test.cc USES base)
