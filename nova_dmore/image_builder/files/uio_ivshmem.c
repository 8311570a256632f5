// SPDX-License-Identifier: GPL-2.0
/*
 * Hands QEMU's ivshmem-doorbell device to one user space process.
 *
 * /dev/uio0: map 0 is the registers (BAR 0: the doorbell), map 1 the shared
 * region (BAR 2); a read waits for any of the device's interrupts.
 * uio_pci_generic cannot do this: it needs a legacy interrupt, which the
 * doorbell model does not have.
 */
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/uio_driver.h>

#define IVSHMEM_MAX_VECTORS 8

static irqreturn_t ivshmem_interrupt(int irq, void *data)
{
	/* Which vector it was does not matter: whoever wakes polls everything. */
	uio_event_notify(data);
	return IRQ_HANDLED;
}

static void ivshmem_free_vectors(void *data)
{
	pci_free_irq_vectors(data);
}

static int ivshmem_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct device *dev = &pdev->dev;
	struct uio_info *info;
	int vectors, vector, err;

	info = devm_kzalloc(dev, sizeof(*info), GFP_KERNEL);
	if (!info)
		return -ENOMEM;
	err = pcim_enable_device(pdev);
	if (err)
		return err;
	pci_set_master(pdev);	/* or MSI-X messages are dropped silently */

	info->name = "ivshmem";
	info->version = "1";
	info->irq = UIO_IRQ_CUSTOM;
	info->mem[0].name = "registers";
	info->mem[0].addr = pci_resource_start(pdev, 0);
	info->mem[0].size = PAGE_ALIGN(pci_resource_len(pdev, 0));
	info->mem[0].memtype = UIO_MEM_PHYS;
	info->mem[1].name = "region";
	info->mem[1].addr = pci_resource_start(pdev, 2);
	info->mem[1].size = pci_resource_len(pdev, 2);
	/* Mapped cached, unlike UIO_MEM_PHYS: it is the host's ordinary memory. */
	info->mem[1].memtype = UIO_MEM_IOVA;

	vectors = pci_alloc_irq_vectors(pdev, 1, IVSHMEM_MAX_VECTORS,
					PCI_IRQ_MSIX);
	if (vectors < 0)
		return vectors;
	err = devm_add_action_or_reset(dev, ivshmem_free_vectors, pdev);
	if (err)
		return err;
	err = devm_uio_register_device(dev, info);
	if (err)
		return err;
	/* Only a registered device may be notified; freed in reverse order. */
	for (vector = 0; vector < vectors; vector++) {
		err = devm_request_irq(dev, pci_irq_vector(pdev, vector),
				       ivshmem_interrupt, 0, "ivshmem", info);
		if (err)
			return err;
	}
	return 0;
}

static const struct pci_device_id ivshmem_ids[] = {
	{ PCI_DEVICE(0x1af4, 0x1110) },
	{ }
};
MODULE_DEVICE_TABLE(pci, ivshmem_ids);

static struct pci_driver ivshmem_driver = {
	.name = "uio_ivshmem",
	.id_table = ivshmem_ids,
	.probe = ivshmem_probe,
};
module_pci_driver(ivshmem_driver);

MODULE_DESCRIPTION("QEMU ivshmem-doorbell for one user space process");
MODULE_LICENSE("GPL");
