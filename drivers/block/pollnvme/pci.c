// SPDX-License-Identifier: GPL-2.0-only
/*
 * Transport for real controllers. No id is in the table: a controller comes
 * to this driver only when the user names it in driver_override.
 */
#include <linux/interrupt.h>
#include <linux/io-64-nonatomic-lo-hi.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include "pollnvme.h"

/**
 * struct pollnvme_pci - a controller on PCI
 * @ctrl: what all transports share
 * @pdev: its PCI function
 * @bar: registers and doorbells
 */
struct pollnvme_pci {
	struct pollnvme_ctrl ctrl;
	struct pci_dev *pdev;
	void __iomem *bar;
};

static struct pollnvme_pci *to_pci(struct pollnvme_ctrl *ctrl)
{
	return container_of(ctrl, struct pollnvme_pci, ctrl);
}

static u32 pollnvme_pci_read32(struct pollnvme_ctrl *ctrl, u32 reg)
{
	return readl(to_pci(ctrl)->bar + reg);
}

static u64 pollnvme_pci_read64(struct pollnvme_ctrl *ctrl, u32 reg)
{
	return lo_hi_readq(to_pci(ctrl)->bar + reg);
}

static void pollnvme_pci_write32(struct pollnvme_ctrl *ctrl, u32 reg, u32 value)
{
	writel(value, to_pci(ctrl)->bar + reg);
}

static void pollnvme_pci_write64(struct pollnvme_ctrl *ctrl, u32 reg, u64 value)
{
	lo_hi_writeq(value, to_pci(ctrl)->bar + reg);
}

static void *pollnvme_pci_alloc(struct pollnvme_ctrl *ctrl, size_t size,
				u64 *addr)
{
	dma_addr_t dma;
	void *mem;

	mem = dma_alloc_coherent(ctrl->dma_dev, PAGE_ALIGN(size), &dma,
				 GFP_KERNEL);
	*addr = dma;
	return mem;
}

static void pollnvme_pci_free(struct pollnvme_ctrl *ctrl, size_t size,
			      void *mem, u64 addr)
{
	dma_free_coherent(ctrl->dma_dev, PAGE_ALIGN(size), mem, addr);
}

static void pollnvme_pci_setup_qp(struct pollnvme_ctrl *ctrl,
				  struct pollnvme_qp *qp)
{
	u32 stride = 4u << NVME_CAP_STRIDE(ctrl->cap);

	qp->sq_db = to_pci(ctrl)->bar + NVME_REG_DBS + 2 * qp->q.qid * stride;
	qp->cq_db = to_pci(ctrl)->bar + NVME_REG_DBS +
		    (2 * qp->q.qid + 1) * stride;
}

static void pollnvme_pci_ring_sq(struct pollnvme_qp *qp, u16 tail)
{
	/* writel() orders the ring's memory before the doorbell. */
	writel(tail, qp->sq_db);
}

static void pollnvme_pci_ring_cq(struct pollnvme_qp *qp, u16 head)
{
	writel(head, qp->cq_db);
}

static void pollnvme_pci_halt(struct pollnvme_ctrl *ctrl)
{
	pci_clear_master(to_pci(ctrl)->pdev);
}

static irqreturn_t pollnvme_pci_irq(int irq, void *data)
{
	return pollnvme_qp_irq(data) ? IRQ_HANDLED : IRQ_NONE;
}

static int pollnvme_pci_get_irq(struct pollnvme_qp *qp)
{
	struct pci_dev *pdev = to_pci(qp->ctrl)->pdev;

	return request_irq(pci_irq_vector(pdev, qp->vector), pollnvme_pci_irq,
			   0, dev_name(&qp->ctrl->dev), qp);
}

static void pollnvme_pci_put_irq(struct pollnvme_qp *qp)
{
	struct pci_dev *pdev = to_pci(qp->ctrl)->pdev;

	free_irq(pci_irq_vector(pdev, qp->vector), qp);
}

static const struct cpumask *pollnvme_pci_irq_mask(struct pollnvme_ctrl *ctrl,
						   unsigned int vector)
{
	return pci_irq_get_affinity(to_pci(ctrl)->pdev, vector);
}

static void pollnvme_pci_release(struct pollnvme_ctrl *ctrl)
{
	kfree(to_pci(ctrl));
}

/*
 * Vectors beside the admin pair's, which nobody asks for, so that it stays masked:
 * that pair's interrupt cannot be switched off in the queue. With fewer than two
 * messages, or the pin alone, there is no such way to be rid of it: all is polled
 * then, and the pin is masked at both ends.
 *
 * The kernel shares the CPUs out among the vectors. A vector whose CPUs are all
 * offline interrupts nobody, so a CPU had better be in the mask of the one it uses:
 * there must be no more of them than pairs. (After a reset that brings fewer pairs
 * back there are; what no interrupt ends then, the watch does.)
 */
static unsigned int pollnvme_pci_vectors(struct pollnvme_pci *p,
					 unsigned int irqs)
{
	struct irq_affinity affinity = { .pre_vectors = 1 };
	int n;

	pci_intx(p->pdev, 0);
	n = pci_alloc_irq_vectors_affinity(p->pdev, 2, irqs + 1,
					   PCI_IRQ_MSIX | PCI_IRQ_MSI |
					   PCI_IRQ_AFFINITY, &affinity);
	if (n >= 2)
		return n - 1;
	dev_info(&p->pdev->dev, "no interrupt messages to spare: completion by polling only\n");
	writel(~0u, p->bar + NVME_REG_INTMS);
	return 0;
}

static unsigned int pollnvme_pci_set_irqs(struct pollnvme_ctrl *ctrl,
					  unsigned int irqs)
{
	pci_free_irq_vectors(to_pci(ctrl)->pdev);
	return pollnvme_pci_vectors(to_pci(ctrl), irqs);
}

static const struct pollnvme_transport pollnvme_pci_transport = {
	.name		= "pci",
	.read32		= pollnvme_pci_read32,
	.read64		= pollnvme_pci_read64,
	.write32	= pollnvme_pci_write32,
	.write64	= pollnvme_pci_write64,
	.alloc		= pollnvme_pci_alloc,
	.free		= pollnvme_pci_free,
	.setup_qp	= pollnvme_pci_setup_qp,
	.ring_sq	= pollnvme_pci_ring_sq,
	.ring_cq	= pollnvme_pci_ring_cq,
	.halt		= pollnvme_pci_halt,
	.set_irqs	= pollnvme_pci_set_irqs,
	.get_irq	= pollnvme_pci_get_irq,
	.put_irq	= pollnvme_pci_put_irq,
	.irq_mask	= pollnvme_pci_irq_mask,
	.release	= pollnvme_pci_release,
};

static int pollnvme_pci_enable(struct pollnvme_pci *p)
{
	struct pci_dev *pdev = p->pdev;
	resource_size_t len;
	u32 stride;
	int err;

	err = pci_enable_device_mem(pdev);
	if (err)
		return err;
	err = pci_request_mem_regions(pdev, POLLNVME_NAME);
	if (err)
		goto disable;
	err = -ENODEV;
	len = pci_resource_len(pdev, 0);
	/* Registers, and doorbells of the admin and one I/O pair. */
	if (len < NVME_REG_DBS + 16)
		goto release;
	p->bar = ioremap(pci_resource_start(pdev, 0), len);
	if (!p->bar)
		goto release;
	if (readl(p->bar + NVME_REG_CSTS) == ~0u)
		goto unmap;
	stride = 4u << NVME_CAP_STRIDE(lo_hi_readq(p->bar + NVME_REG_CAP));
	p->ctrl.max_qps = min_t(u64, (len - NVME_REG_DBS) / (2 * stride) - 1,
				U16_MAX - 1);
	if (len < NVME_REG_DBS + 4 * stride)
		goto unmap;

	err = dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(64));
	if (err)
		goto unmap;
	/* A bounce buffer must keep the offset in the page: PRPs need it. */
	dma_set_min_align_mask(&pdev->dev, POLLNVME_PAGE_MASK);
	dma_set_max_seg_size(&pdev->dev, UINT_MAX);
	pci_set_master(pdev);
	p->ctrl.max_irqs = pollnvme_pci_vectors(p, num_possible_cpus());
	return 0;

unmap:
	iounmap(p->bar);
release:
	pci_release_mem_regions(pdev);
disable:
	pci_disable_device(pdev);
	return err;
}

static void pollnvme_pci_disable(struct pollnvme_pci *p)
{
	pci_free_irq_vectors(p->pdev);
	iounmap(p->bar);
	pci_intx(p->pdev, 1);
	pci_release_mem_regions(p->pdev);
	pci_disable_device(p->pdev);
}

static int pollnvme_pci_probe(struct pci_dev *pdev,
			      const struct pci_device_id *id)
{
	struct pollnvme_pci *p;
	int err;

	if (pdev->class != PCI_CLASS_STORAGE_EXPRESS) {
		dev_err(&pdev->dev, "not an NVMe controller\n");
		return -ENODEV;
	}
	p = kzalloc_node(sizeof(*p), GFP_KERNEL, dev_to_node(&pdev->dev));
	if (!p)
		return -ENOMEM;
	p->pdev = pdev;
	p->ctrl.dma_dev = &pdev->dev;
	err = pollnvme_ctrl_init(&p->ctrl, &pollnvme_pci_transport, &pdev->dev);
	if (err) {
		kfree(p);
		return err;
	}
	err = pollnvme_pci_enable(p);
	if (err)
		goto put;
	err = pollnvme_ctrl_start(&p->ctrl);
	if (err)
		goto disable;
	pci_set_drvdata(pdev, p);
	pci_save_state(pdev);	/* for a reset after a bus error */
	return 0;

disable:
	pollnvme_pci_disable(p);
put:
	put_device(&p->ctrl.dev);
	return err;
}

static void pollnvme_pci_remove(struct pci_dev *pdev)
{
	struct pollnvme_pci *p = pci_get_drvdata(pdev);

	pollnvme_ctrl_remove(&p->ctrl, !pci_device_is_present(pdev));
	pollnvme_pci_disable(p);
	pci_set_drvdata(pdev, NULL);
	put_device(&p->ctrl.dev);
}

static void pollnvme_pci_shutdown(struct pci_dev *pdev)
{
	struct pollnvme_pci *p = pci_get_drvdata(pdev);

	pollnvme_ctrl_shutdown(&p->ctrl);
}

static int pollnvme_pci_suspend(struct device *dev)
{
	struct pollnvme_pci *p = dev_get_drvdata(dev);

	pollnvme_ctrl_pause(&p->ctrl, true);
	pollnvme_ctrl_put_irqs(&p->ctrl);
	return 0;
}

/*
 * A halt took bus mastering away from a controller that did not obey. It gets
 * that back when it has stopped since; all ones, which it is not, has the bit.
 */
static int pollnvme_pci_resume(struct device *dev)
{
	struct pollnvme_pci *p = dev_get_drvdata(dev);

	if (p->ctrl.paused && !(readl(p->bar + NVME_REG_CSTS) & NVME_CSTS_RDY))
		pci_set_master(p->pdev);
	/* Restoring used up what was saved: the next bus error wants it, too. */
	pci_save_state(p->pdev);
	pollnvme_ctrl_get_irqs(&p->ctrl);
	return pollnvme_ctrl_resume(&p->ctrl);
}

static DEFINE_SIMPLE_DEV_PM_OPS(pollnvme_pci_pm, pollnvme_pci_suspend,
				pollnvme_pci_resume);

static pci_ers_result_t pollnvme_pci_error(struct pci_dev *pdev,
					   pci_channel_state_t state)
{
	struct pollnvme_pci *p = pci_get_drvdata(pdev);

	if (state == pci_channel_io_normal)
		return PCI_ERS_RESULT_CAN_RECOVER;
	/* The bus says it is gone for good: removal follows. */
	if (state == pci_channel_io_perm_failure)
		return PCI_ERS_RESULT_DISCONNECT;
	pollnvme_ctrl_pause(&p->ctrl, false);
	return PCI_ERS_RESULT_NEED_RESET;
}

/*
 * What is below a port that reported an error may be reset also where the error was
 * none that had us pause: the controller has forgotten its queues then.
 */
static pci_ers_result_t pollnvme_pci_slot_reset(struct pci_dev *pdev)
{
	struct pollnvme_pci *p = pci_get_drvdata(pdev);

	pci_restore_state(pdev);
	pollnvme_ctrl_pause(&p->ctrl, false);
	return PCI_ERS_RESULT_RECOVERED;
}

static void pollnvme_pci_error_resume(struct pci_dev *pdev)
{
	pollnvme_pci_resume(&pdev->dev);
}

static void pollnvme_pci_reset_prepare(struct pci_dev *pdev)
{
	struct pollnvme_pci *p = pci_get_drvdata(pdev);

	/*
	 * Paused by an error that the bus did not recover from: it may have been
	 * reset all the same, and what it forgot would be saved as it is.
	 */
	if (p->ctrl.paused)
		pci_restore_state(pdev);
	pollnvme_ctrl_pause(&p->ctrl, false);
}

static const struct pci_error_handlers pollnvme_pci_errors = {
	.error_detected	= pollnvme_pci_error,
	.slot_reset	= pollnvme_pci_slot_reset,
	.resume		= pollnvme_pci_error_resume,
	.reset_prepare	= pollnvme_pci_reset_prepare,
	.reset_done	= pollnvme_pci_error_resume,
};

static const struct pci_device_id pollnvme_pci_ids[] = {
	{ }	/* empty on purpose: bind through driver_override */
};

static struct pci_driver pollnvme_pci_driver = {
	.name		= POLLNVME_NAME,
	.id_table	= pollnvme_pci_ids,
	.probe		= pollnvme_pci_probe,
	.remove		= pollnvme_pci_remove,
	.shutdown	= pollnvme_pci_shutdown,
	.driver.pm	= pm_sleep_ptr(&pollnvme_pci_pm),
	.err_handler	= &pollnvme_pci_errors,
};

/**
 * pollnvme_pci_init() - register with PCI
 *
 * Return: 0 or an error.
 */
int pollnvme_pci_init(void)
{
	return pci_register_driver(&pollnvme_pci_driver);
}

/** pollnvme_pci_exit() - unregister; removes all controllers on PCI */
void pollnvme_pci_exit(void)
{
	pci_unregister_driver(&pollnvme_pci_driver);
}
