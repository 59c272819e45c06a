/** A static busybox, which runs in a root that has nothing else. scripts/test.sh gets one. */
export const BUSYBOX = process.env['BERTH_TEST_BUSYBOX'] ?? '/bin/busybox';
